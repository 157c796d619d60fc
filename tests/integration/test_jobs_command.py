"""``callboard jobs`` and what ``callboard queues`` does to a queue, as an operator types them."""

from __future__ import annotations

import json

import pytest

from callboard.verbs.fleet import publish
from callboard.verbs.telling import Holder, tell_checkpoint, tell_line, tell_progress
from tests.support.command import Call, caller, ok, read
from tests.support.engine import Engine
from tests.support.steering import HOUR, Desk, payload


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(engine)


@pytest.fixture
def call(desk: Desk) -> Call:
    return caller(desk.service.settings, {"q": {}})


def test_list_shows_failed_jobs_newest_first_page_by_page(desk: Desk, call: Call) -> None:
    desk.put("failed", "a")
    desk.put("failed", "b", workspace="acme")
    result = call("jobs", "list", "q")
    rows = [line.split() for line in ok(result).splitlines()]
    assert rows[0] == ["job", "state", "actor", "workspace", "priority", "attempts", "at", "reason"]
    assert {row[0] for row in rows[1:]} == {"a", "b"}
    assert "it broke" in result.stdout
    assert result.stderr == "2 jobs of q are failed\n"

    first = read(call("jobs", "list", "q", "--limit", "1", "--json"))
    rest = read(call("jobs", "list", "q", "--limit", "1", "--cursor", first["cursor"], "--json"))
    assert first["total"] == 2
    assert {first["jobs"][0]["id"], rest["jobs"][0]["id"]} == {"a", "b"}
    assert ok(call("jobs", "list", "q", "--state", "delayed")) == ""


def test_show_tells_everything_of_a_job(desk: Desk, call: Call) -> None:
    desk.engine.add("a", payload=payload("work", tags=("x",), text="ü\x1b[31m"), workspace="acme")
    desk.worker.fetch()
    holder = Holder("q", "a", desk.worker.name, desk.worker.held["a"])
    tell_line(desk.service.store, holder, "half-way")
    tell_progress(desk.service.store, holder, {"done": 1})
    desk.worker.finish("a", "f", reason="it broke", error=("Broken", "it broke \x1b]0;x\x07", "Traceback:\n  line 1"))

    text = ok(call("jobs", "show", "q", "a"))
    for part in ("job          a", "state        failed", "attempt 1: failed", "  Broken: it broke", "    line 1",
                 "half-way", '{"done": 1}', "acme"):  # fmt: skip
        assert part in text, text
    assert "\x1b" not in text
    found = read(call("jobs", "show", "q", "a", "--json"))
    assert (found["id"], found["state"], found["progress"]) == ("a", "failed", {"done": 1})
    assert found["attempts"][0]["traceback"] == "Traceback:\n  line 1"
    assert found["log"][0][1] == "half-way"


def test_secrets_of_a_payload_are_shown_nowhere_and_kept_for_the_worker(desk: Desk, call: Call) -> None:
    schema = {"type": "object", "properties": {"pin": {"type": "string", "format": "password", "writeOnly": True}}}
    publish(desk.service.store, {"login": {"queue": "q", "priority": 0, "schema": schema}})
    secrets = {"pin": "hunter2", "headers": {"Authorization": "hunter2"}, "url": "redis://:hunter2@h"}
    job_id = desk.put("failed", payload=payload("login", user="ada", **secrets))
    for command in (("show", "q", job_id), ("list", "q"), ("find", "q")):
        for options in ((), ("--json",)):
            text = ok(call("jobs", *command, *options))
            assert "hunter2" not in text, command
    shown = read(call("jobs", "show", "q", job_id, "--json"))["payload"]
    assert shown == {"user": "ada", "pin": "***", "headers": {"Authorization": "***"}, "url": "redis://:***@h"}
    assert desk.service.get_job("q", job_id).payload == {"user": "ada", **secrets}


def test_secrets_in_what_a_job_said_are_shown_nowhere_and_other_text_as_it_is(desk: Desk, call: Call) -> None:
    store, url, shown = desk.service.store, "ftp://ada:hunter2@h/a=b?c=d", "ftp://ada:***@h/a=b?c=d"
    desk.engine.add("a", payload=payload("work"))
    desk.worker.fetch()
    holder = Holder("q", "a", desk.worker.name, desk.worker.held["a"])
    tell_line(store, holder, f"from {url}")
    tell_progress(store, holder, {"at": url, "token": "hunter2", "done": 1})
    tell_checkpoint(store, holder, "step", {"password": "hunter2", "n": 2})
    tell_checkpoint(store, holder, "api_key", "hunter2")
    desk.worker.finish("a", "f", reason=f"no {url}", error=("Broken", f"not {url}", f"Traceback:\n  get({url!r})"))
    for command in (("show", "q", "a"), ("list", "q"), ("find", "q")):
        for options in ((), ("--json",)):
            text = ok(call("jobs", *command, *options))
            assert "hunter2" not in text, command
            assert f"no {shown}" in text, "the rest of the reason is shown as it is"
    found = read(call("jobs", "show", "q", "a", "--json"))
    (attempt,) = found["attempts"]
    assert attempt["error_message"] == f"not {shown}"
    assert attempt["traceback"] == f"Traceback:\n  get({shown!r})"
    assert found["log"][0][1] == f"from {shown}"
    assert found["progress"] == {"at": shown, "token": "***", "done": 1}
    assert found["checkpoints"] == {"step": {"password": "***", "n": 2}, "api_key": "***"}


def test_show_has_the_result_cut_on_a_terminal_and_whole_as_json(desk: Desk, call: Call) -> None:
    value = {"rows": list(range(2_000)), "token": "s3cret"}
    job_id = desk.put("active")
    desk.worker.finish(job_id, "c", result=json.dumps(value).encode())
    (line,) = [line for line in ok(call("jobs", "show", "q", job_id)).splitlines() if line.startswith("result")]
    assert line.startswith('result       {"rows": [0, 1, 2, ')
    assert line.endswith("… (10,916 characters; --json has all)")
    assert len(line) < 2_100
    assert read(call("jobs", "show", "q", job_id, "--json"))["result"] == {**value, "token": "***"}


@pytest.mark.parametrize("state", ["waiting", "completed", "failed"])
def test_show_of_a_job_without_a_result(desk: Desk, call: Call, state: str) -> None:
    job_id = desk.put("active" if state == "completed" else state)
    if state == "completed":
        desk.worker.finish(job_id, "c", result=b"1", result_ttl=HOUR)
        desk.engine.warp(HOUR)
    assert "result" not in ok(call("jobs", "show", "q", job_id))
    assert read(call("jobs", "show", "q", job_id, "--json"))["result"] is None


def test_verbs_on_jobs_say_a_line_each_and_refusals_end_in_exit_code_1(desk: Desk, call: Call) -> None:
    desk.put("failed", "f")
    desk.put("waiting", "w")
    desk.put("active", "a")
    result = call("jobs", "retry", "q", "f", "w", "ghost")
    assert result.exit_code == 1
    assert result.stdout == "f: waits again\n"
    assert result.stderr.splitlines() == [
        "Error: cannot retry job 'w': it is waiting; possible while completed, failed, cancelled",
        "Error: no job 'ghost' in queue 'q': it never was, or its retention has passed",
    ]
    answer = call("jobs", "cancel", "q", "w", "a", "a b", "--reason", "not wanted", "--json")
    assert answer.exit_code == 1
    rows = json.loads(answer.stdout)
    assert [(row["id"], row.get("outcome")) for row in rows] == [("w", "done"), ("a", "told"), ("a b", None)]
    assert desk.service.get_job("q", "w").reason == "not wanted"
    assert call("jobs", "remove", "q", "a").exit_code == 1
    told = "a: told: its worker stops it within a second, then it is removed\n"
    assert ok(call("jobs", "remove", "q", "a", "--force")) == told
    assert ok(call("jobs", "cancel", "q", "w")) == "w: was cancelled already\n"


def test_all_takes_what_the_filters_want(desk: Desk, call: Call) -> None:
    for i in range(3):
        desk.put("failed", f"f{i}", payload=payload("work", tags=("x",) if i else (), name=f"job {i}"))
    for i in range(2):
        desk.put("delayed", f"d{i}", payload=payload("work"), workspace="acme")
    assert ok(call("jobs", "retry", "q", "--all", "--tag", "x", "--reset-attempts")) == "2 jobs retried\n"
    assert ok(call("jobs", "promote", "q", "--all", "--workspace", "nobody")) == "0 jobs promoted\n"
    assert read(call("jobs", "promote", "q", "--all", "--workspace", "acme", "--json")) == {"promoted": 2}
    assert ok(call("jobs", "cancel", "q", "--all", "--added-after", "2999-01-01")) == "0 jobs cancelled\n"
    assert ok(call("jobs", "cancel", "q", "--all", "--actor", "work", "--text", "JOB 1")) == "1 job cancelled\n"
    assert ok(call("jobs", "retry", "q", "--all", "--state", "cancelled")) == "1 job retried\n"
    assert desk.engine.snapshot().counts()["waiting"] == 4


@pytest.mark.parametrize("verb", ["retry", "cancel", "promote"])
def test_ids_and_all_exclude_each_other(call: Call, verb: str) -> None:
    for arguments in ([], ["a", "--all"], ["a", "--tag", "x"]):
        assert call("jobs", verb, "q", *arguments).exit_code == 2, arguments


def test_find_goes_through_states_and_on_with_its_cursor(desk: Desk, call: Call) -> None:
    desk.put("waiting", "w")
    desk.put("delayed", "d")
    desk.put("failed", "f")
    found = read(call("jobs", "find", "q", "--actor", "work", "--limit", "2", "--json"))
    assert [job["id"] for job in found["jobs"]] == ["w", "d"]
    rest = read(call("jobs", "find", "q", "--actor", "work", "--cursor", found["cursor"], "--json"))
    assert ([job["id"] for job in rest["jobs"]], rest["cursor"]) == (["f"], None)
    result = call("jobs", "find", "q", "--text", "IT BROKE", "--state", "failed", "--state", "waiting")
    assert " failed " in ok(result)
    assert result.stderr == "1 job found, 2 looked at\n"
    assert call("jobs", "find", "q", "--added-after", "soon").exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("jobs", "list", "nowhere"), ("jobs", "show", "q", "ghost"), ("jobs", "show", "q", "a b"),
        ("jobs", "list", "q", "--cursor", "x"), ("jobs", "retry", "nowhere", "--all"), ("queues", "drain", "nowhere"),
    ],
)  # fmt: skip
def test_a_refusal_is_one_line_and_exit_code_1(call: Call, arguments: tuple[str, ...]) -> None:
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


def test_queues_are_paused_resumed_drained_and_cleaned(desk: Desk, call: Call) -> None:
    for place in ("waiting", "delayed", "failed", "completed"):
        desk.put(place, place)
    assert ok(call("queues", "pause", "q", "--reason", "deploy")) == "q is paused\n"
    assert "paused by ada: deploy" in ok(call("queues"))
    assert read(call("queues", "--json"))[0]["paused_by"] == "ada"
    assert ok(call("queues", "pause", "q")) == "q was paused already\n"
    assert read(call("queues", "resume", "q", "--json")) == {"changed": True}
    assert ok(call("queues", "resume", "q")) == "q was not paused\n"
    assert ok(call("queues", "drain", "q")) == "1 job removed\n"
    assert read(call("queues", "drain", "q", "--delayed", "--json")) == {"removed": 1}
    assert ok(call("queues", "clean", "q", "--state", "failed", "--older-than", "3600")) == "0 jobs removed\n"
    desk.engine.warp(2 * HOUR)
    cleaned = read(call("queues", "clean", "q", "--state", "failed", "--older-than", "3600", "--json"))
    assert cleaned == {"removed": ["failed"], "more": False}
    assert call("queues", "clean", "q", "--state", "failed").exit_code == 2
    assert call("queues", "clean", "q", "--state", "failed", "--older-than", "nan").exit_code == 1
