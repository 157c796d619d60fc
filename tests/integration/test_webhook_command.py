"""``python -m actors.webhooks`` as an operator types it, on each kind of server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from actors.webhooks.commands import main
from actors.webhooks.registry import MAX_PAGE, EndpointRegistry
from actors.webhooks.settings import WebhookSettings
from callboard.settings import Settings
from callboard.store.store import Store
from demo.webhook_receiver import WebhookReceiver
from tests.integration.conftest import AppMaker
from tests.support.process import ROOT
from tests.support.webhooks import LOOPBACK, QUEUES, Webhooks, secret_of, verified

URL = "https://hooks.example.com/a?key=k3y"

#: Calls the command.
Call = Callable[..., Result]


def caller(settings: Settings) -> Call:
    env = {
        "REDIS_URL": settings.url, "CALLBOARD_PREFIX": settings.prefix, "CALLBOARD_WEBHOOK_ALLOW": LOOPBACK,
        "CALLBOARD_WEBHOOK_ENDPOINTS_MAX": "1000", "USER": "ada", "TZ": "UTC",
    }  # fmt: skip

    def run(*arguments: str, stdin: str | None = None, **more: str) -> Result:
        result = CliRunner().invoke(main, arguments, input=stdin, env={**env, **more})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


@pytest.fixture
def call(settings: Settings) -> Call:
    return caller(settings)


@pytest.fixture
def registry(store: Store) -> EndpointRegistry:
    return EndpointRegistry(store, WebhookSettings(allow=LOOPBACK, endpoints_max=1000))


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def read(result: Result) -> Any:
    return json.loads(ok(result))


def test_a_secret_is_shown_when_it_is_made_and_never_again(call: Call, registry: EndpointRegistry) -> None:
    made = read(call("endpoints", "create", URL, "--event", "post.*", "--event", "user.created", "--workspace", "acme",
                     "--description", "Ada’s hook", "--json"))  # fmt: skip
    first = secret_of(registry.get(made["id"]))
    assert made["secret"] == first
    assert (made["url"], made["workspace"], made["events"]) == (URL, "acme", ["post.*", "user.created"])

    rotated = read(call("endpoints", "rotate-secret", made["id"], "--grace", "60", "--json"))
    second = secret_of(registry.get(made["id"]))
    assert rotated["secret"] == second != first
    new, old = rotated["secrets"]
    assert (new["until_ms"], old["until_ms"] - new["since_ms"]) == (None, 60_000)

    shown = [
        ok(call("endpoints", verb, *arguments, *form))
        for verb, *arguments in (("list",), ("show", made["id"]))
        for form in ((), ("--json",))
    ]
    for text in shown:
        assert made["id"] in text
        assert "hooks.example.com" in text
        assert not [secret for secret in (first, second) if secret in text]
    assert "k3y" not in shown[0] + shown[1], "a list says the host and no more of the URL"
    assert URL in shown[2]


def test_for_people_the_secret_stands_in_a_line_of_its_own(call: Call, registry: EndpointRegistry) -> None:
    result = call("endpoints", "create", URL, "--event", "*")
    endpoint, secret = (line.split() for line in ok(result).splitlines())
    assert secret == ["secret", secret_of(registry.get(endpoint[1]))]
    assert result.stderr == "Keep the secret now: it is not shown again.\n"


def test_a_list_has_every_page_and_may_be_of_one_workspace(call: Call, registry: EndpointRegistry) -> None:
    many = [registry.create(URL, ["*"], workspace="acme").id for _ in range(MAX_PAGE + 1)]
    other = registry.create(URL, ["post.*"], workspace="other")
    assert [each["id"] for each in read(call("endpoints", "list", "--json"))] == [*many, other.id]
    assert [each["id"] for each in read(call("endpoints", "list", "--workspace", "other", "--json"))] == [other.id]
    header, line = ok(call("endpoints", "list", "--workspace", "other")).splitlines()
    assert header.split() == ["endpoint", "workspace", "host", "events", "state"]
    assert line.split() == [other.id, "other", "hooks.example.com", "post.*", "enabled"]
    assert ok(call("endpoints", "list", "--workspace", "nobody")) == ""


def test_disable_enable_and_delete_say_what_they_did(call: Call, registry: EndpointRegistry) -> None:
    endpoint_id = registry.create(URL, ["*"]).id
    assert call("endpoints", "disable", endpoint_id).exit_code == 2, "without a reason"
    disable = ("endpoints", "disable", endpoint_id, "--reason", "billing \x1b[31m")
    assert ok(call(*disable)) == f"{endpoint_id} is disabled\n"
    assert read(call(*disable, "--json")) == {"changed": False}
    for verb in ("list", "show"):
        text = ok(call("endpoints", verb, *([endpoint_id] if verb == "show" else [])))
        assert "by ada: billing" in text
        assert "\x1b" not in text
    assert read(call("endpoints", "show", endpoint_id, "--json"))["disabled"]["by"] == "ada"
    assert ok(call("endpoints", "enable", endpoint_id)) == f"{endpoint_id} is enabled\n"
    assert ok(call("endpoints", "enable", endpoint_id)) == f"{endpoint_id} was not disabled\n"
    assert read(call("endpoints", "delete", endpoint_id, "--json")) == {"deleted": endpoint_id}
    assert read(call("endpoints", "list", "--json")) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("endpoints", "show", "ep_nowhere"), "there is no endpoint 'ep_nowhere'"),
        (("endpoints", "create", "https://u:p4ss@example.com/", "--event", "*"), "url: must not contain a user name"),
        (("endpoints", "create", "http://10.0.0.1/", "--event", "*"), "url: it is not a public address"),
        (("endpoints", "create", URL, "--event", "no event"), "events: each must be a name"),
        (("publish", "no event", "--data", "{}"), "event: must be names separated by full stops"),
    ],
)
def test_what_is_refused_is_one_line_and_exit_code_1(call: Call, arguments: tuple[str, ...], said: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"Error: {said}"), result.stderr
    assert result.stderr.count("\n") == 1
    assert "p4ss" not in result.stderr


@pytest.mark.parametrize("data", ["[1]", "no JSON", ""])
def test_data_that_is_no_object_does_not_fit(call: Call, data: str) -> None:
    assert call("publish", "post.published", "--data", data).exit_code == 2


def test_a_bad_setting_is_called_by_its_variable(call: Call) -> None:
    result = call("endpoints", "list", CALLBOARD_WEBHOOK_ALLOW="everywhere")
    assert result.exit_code == 1
    assert "CALLBOARD_WEBHOOK_ALLOW: 'everywhere' is not NETWORK/BITS:PORT" in result.stderr


def test_an_event_is_published_to_those_who_want_it(make_app: AppMaker, receiver: WebhookReceiver) -> None:
    hooks = Webhooks(make_app(queues=QUEUES))
    call = caller(hooks.app.settings)
    try:
        made = [
            read(call("endpoints", "create", receiver.url(path), "--event", event, "--workspace", "acme", "--json"))
            for path, event in (("/a", "post.*"), ("/b", "*"), ("/no", "user.*"))
        ]
        ids = [f"evt-1:{each['id']}" for each in made[:2]]
        publish = ("publish", "post.published", "--workspace", "acme", "--event-id", "evt-1", "--data")
        added = read(call(*publish, '{"id": 7}', "--json"))
        assert [(each["id"], each["status"]) for each in added] == [(each, "added") for each in ids]
        repeated = call(*publish, "-", stdin='{"id": 7}')
        assert ok(repeated) == "".join(f"{each}: duplicate\n" for each in ids)
        assert repeated.stderr == "2 endpoints want post.published\n"
        for each in ids:
            assert hooks.ended(each).state == "completed"
        secrets = {f"/{name}": each["secret"] for name, each in zip("ab", made, strict=False)}
        assert sorted(request.path for request in receiver.requests) == ["/a", "/b"]
        for request in receiver.requests:
            assert verified(request, secrets[request.path])["data"] == {"id": 7}
    finally:
        hooks.close()


def test_the_page_has_every_command_with_its_options_and_no_other() -> None:
    page = (ROOT / "docs" / "job-types" / "webhook-delivery.md").read_text(encoding="utf-8")
    section = page.partition("## From a terminal\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| ?([^|]*)\|", section, re.MULTILINE)
    said = {name: sorted(re.findall(r"`(--[a-z-]+)`", options)) for name, options in rows}

    group = main.commands["endpoints"]
    assert isinstance(group, click.Group)
    expected = {}
    for prefix, commands in (("endpoints ", group.commands), ("", {"publish": main.commands["publish"]})):
        for name, command in commands.items():
            given = [each for each in command.params if isinstance(each, click.Argument)]
            arguments = [each.make_metavar(click.Context(command)) for each in given]
            options = [opt for each in command.params if isinstance(each, click.Option) for opt in each.opts]
            expected[" ".join([prefix + name, *arguments])] = sorted(set(options) - {"--json"})
            assert "--json" in options
    assert said == expected


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "actors.webhooks", "--help"],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: python -m actors.webhooks ")
