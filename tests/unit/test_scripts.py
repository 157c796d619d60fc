"""Every script keeps to its header: the keys that it declares exist and are the ones it uses."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from callboard.keys import DEPLOYMENT_KEYS, QUEUE_KEYS, deployment_key, queue_key
from callboard.store import scripts
from callboard.store.scripts import all_names, load

VERBS = files("callboard.verbs")
INCLUDES = sorted(f.name for f in VERBS.joinpath("includes").iterdir())


def code_of(text: str) -> str:
    """A script without its comments."""
    return "\n".join(line.partition("--")[0] for line in text.splitlines())


def used_keys(text: str) -> set[str]:
    """The keys that a script names, and those that it reaches by a state's name."""
    return set(re.findall(r"\bK\.(\w+)", code_of(text)))


def test_every_verb_of_the_engine_has_a_script() -> None:
    verbs = {"add", "cycle", "extend", "release", "reclaim", "sweep", "pause", "resume", "stats", "list"}
    assert verbs <= set(all_names())


@pytest.mark.parametrize("name", all_names())
def test_a_header_declares_keys_that_exist(name: str) -> None:
    script = load(name)
    assert script.keys, f"{name}.lua declares no keys"
    known = DEPLOYMENT_KEYS if script.of_deployment else QUEUE_KEYS
    assert set(script.keys) <= known.keys()
    assert len(set(script.keys)) == len(script.keys), f"{name}.lua declares a key twice"


@pytest.mark.parametrize("name", all_names())
def test_a_script_uses_only_the_keys_it_declares(name: str) -> None:
    script = load(name)
    undeclared = used_keys(script.text) - set(script.keys)
    assert not undeclared, f"{name}.lua and its includes use {sorted(undeclared)} without declaring them"


@pytest.mark.parametrize("name", all_names())
def test_a_script_uses_every_key_it_declares(name: str) -> None:
    script = load(name)
    if re.search(r"\bK\[", code_of(script.text)):
        return  # it reaches some of them by a name that it was given
    unused = set(script.keys) - used_keys(script.text)
    assert not unused, f"{name}.lua declares {sorted(unused)} and does not use them"


@pytest.mark.parametrize("name", all_names())
def test_a_script_reaches_keys_through_their_names_alone(name: str) -> None:
    body = code_of(VERBS.joinpath(f"{name}.lua").read_text())
    assert "KEYS[" not in body, f"{name}.lua uses KEYS[n]: K.name says what it is"


@pytest.mark.parametrize("name", all_names())
def test_a_header_says_what_the_script_does_and_returns(name: str) -> None:
    source = VERBS.joinpath(f"{name}.lua").read_text()
    lines = [line for line in source.splitlines() if not line.startswith("#!")]
    assert re.match(rf"-- {name}\.lua: .+", lines[0]), f"{name}.lua does not begin with its name and purpose"
    assert re.search(r"^-- Returns ", source, re.MULTILINE), f"{name}.lua does not say what it returns"


@pytest.mark.parametrize("name", all_names())
def test_every_argument_that_is_used_is_described(name: str) -> None:
    source = VERBS.joinpath(f"{name}.lua").read_text()
    header = source[: scripts._header_end(source)]
    used = set(re.findall(r"ARGV\[(\d+)\]", code_of(source)))
    described = set(re.findall(r"ARGV\[(\d+)\]", header))
    assert used <= described, f"{name}.lua does not describe ARGV {sorted(used - described)}"


@pytest.mark.parametrize("name", all_names())
def test_a_script_that_only_looks_writes_nothing(name: str) -> None:
    script = load(name)
    if "no-writes" not in script.text.partition("\n")[0]:
        return
    writes = re.findall(r"'((?:H|Z|X|L|R)?(?:SET|ADD|DEL|PUSH|POP|REM|INCRBY|POPMIN)\w*)'", code_of(script.text))
    assert not writes, f"{name}.lua says no-writes and calls {writes}"


@pytest.mark.parametrize("name", INCLUDES)
def test_an_include_says_what_it_is_for(name: str) -> None:
    source = VERBS.joinpath("includes", name).read_text()
    assert source.startswith(f"-- {name}: "), f"includes/{name} does not begin with its name and purpose"


def test_every_include_is_included() -> None:
    named = set()
    for name in all_names():
        for line in re.findall(r"^-- include: (.+)$", VERBS.joinpath(f"{name}.lua").read_text(), re.MULTILINE):
            named |= {f"{part}.lua" for part in line.split()}
    assert named == set(INCLUDES)


def test_all_keys_of_a_queue_share_its_hash_tag() -> None:
    for name in QUEUE_KEYS:
        assert queue_key("p", "emails", name) == f"p:{{emails}}:{name}"
    for name in DEPLOYMENT_KEYS:
        assert deployment_key("p", name) == f"p:{{0}}:{name}"


def test_a_key_that_nobody_declared_does_not_exist() -> None:
    with pytest.raises(KeyError):
        queue_key("p", "q", "workers")
    with pytest.raises(KeyError):
        deployment_key("p", "waiting")


def test_keys_are_passed_in_the_order_of_the_header() -> None:
    script = load("extend")
    assert script.keys == ("record", "active")
    assert script.full_keys("p", "q") == ("p:{q}:record", "p:{q}:active")
    assert load("beat").full_keys("p", "ignored") == ("p:{0}:workers", "p:{0}:beats")
