"""The command line's frame: what it lists, and what it says when something is refused."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from callboard.catalogue import Catalogue, default_queues
from callboard.cli.environment import mistyped
from callboard.cli.main import COMMANDS, main
from callboard.cli.queues import _print
from callboard.verbs.looking import QueueStats


def call(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(main, arguments, env=env)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_list_says_of_a_command_what_its_own_help_says(name: str) -> None:
    command = main.get_command(click.Context(main), name)

    assert command is not None
    assert command.name == name
    assert (command.help or "").splitlines()[0] == COMMANDS[name][1]


def test_help_lists_every_command() -> None:
    listed = call("--help").output

    assert all(f"{name} " in listed for name in COMMANDS)


def test_an_unknown_command_is_a_usage_error() -> None:
    assert call("stage").exit_code == 2


def test_redis_away_is_one_line_without_a_traceback() -> None:
    result = call("queues", REDIS_URL="redis://127.0.0.1:1/0")

    assert result.exit_code == 1
    assert result.output.startswith("Error: Redis is not reachable")
    assert result.output.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://user:s3cret@127.0.0.1:1/0", "127.0.0.1:1"),
        ("redis+sentinel://user:s3cret@127.0.0.1:1/mymaster", "mymaster of the Sentinels 127.0.0.1:1"),
        ("redis+cluster://user:s3cret@127.0.0.1:1", "the Cluster of 127.0.0.1:1"),
        ("unix://user:s3cret@/nowhere/redis.sock", "/nowhere/redis.sock"),
    ],
)
def test_redis_away_says_where_it_was_looked_for_and_what_helps(url: str, place: str) -> None:
    said = call("queues", REDIS_URL=url).output

    assert place in said
    assert "s3cret" not in said
    assert "Set REDIS_URL, or start one with `callboard up`" in said


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("REDIS_PORT", "99999", "Input should be less than"),
        ("CALLBOARD_PREFIX", "a b", "String should match"),
        ("CALLBOARD_BEAT_MS", "soon", "Input should be a valid integer"),
        ("CALLBOARD_QUEUES", '{"a b": {}}', "queue 'a b': name: a queue name is"),
        ("CALLBOARD_QUEUES", '{"maintenance": {"weight": 0}}', "queue 'maintenance': weight: Input should be"),
        ("CALLBOARD_QUEUES", "{data", "not JSON: Expecting property name"),
        ("CALLBOARD_QUEUES", '{"maintenance": {"max_attemps": 3}}',
         "queue 'maintenance': no field 'max_attemps' (did you mean 'max_attempts'?)"),
        ("CALLBOARD_QUEUES", '{"maintenance": {"thresholds": {"faild": 3}}}',
         "queue 'maintenance': no field 'thresholds.faild' (did you mean 'failed'?)"),
    ],
)  # fmt: skip
def test_a_bad_setting_is_called_by_its_variable(variable: str, value: str, said: str) -> None:
    result = call("queues", **{"REDIS_URL": "", variable: value})

    assert result.exit_code == 2
    assert result.output.startswith(f"Error: {variable}: {said}"), result.output
    assert result.output.count("\n") == 1


def test_a_variable_that_is_like_a_setting_but_none_is_warned_of_once() -> None:
    result = call("queues", REDIS_URL="redis://127.0.0.1:1/0", CALLBOARD_PREFX="x")

    assert result.stderr.splitlines()[0] == (
        "Warning: there is no setting CALLBOARD_PREFX; did you mean CALLBOARD_PREFIX?"
    )
    assert result.stderr.count("Warning") == 1


def test_variables_of_others_are_not_warned_of() -> None:
    others = {
        "CALLBOARD_SMTP_PORT": "25", "CALLBOARD_WEBHOOK_PORTS": "443", "CALLBOARD_WORKER_SLOT": "0",
        "CALLBOARD_REDIS_PORT": "tcp://10.0.0.1:6379", "CALLBOARD_OF_THE_TEAM": "1", "CALLBOARD_PREFIX": "p",
    }  # fmt: skip

    assert list(mistyped(others)) == []


def stats(
    queue: str, *, waiting: int = 0, blocked: int = 0, cancelled: int = 0, paused: str = "", age_s: float = 0.0
) -> QueueStats:
    return QueueStats(
        queue=queue, waiting=waiting, delayed=0, active=0, blocked=blocked, completed=0, failed=0, cancelled=cancelled,
        limited=0, outbox=0, paused=bool(paused), paused_since_ms=0, paused_reason=paused, paused_by="",
        oldest_waiting_age_s=age_s, next_due_ms=0,
    )  # fmt: skip


def shown(*rows: QueueStats, width: int = 120) -> list[str]:
    console = Console(width=width)
    with console.capture() as capture:
        _print(console, list(rows), Catalogue(default_queues()))
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def test_the_table_shows_counts_age_and_pause() -> None:
    assert shown(stats("maintenance", waiting=12_000, paused="disk full", age_s=7_200)) == [
        "queue waiting delayed active completed failed oldest",
        "maintenance 12,000 · · · · 2 h",
        "paused: disk full",
    ]


def test_a_rare_state_gets_its_column_when_there_is_a_job_in_it() -> None:
    assert shown(stats("maintenance", cancelled=1))[0] == (
        "queue waiting delayed active completed failed cancelled oldest"
    )


@pytest.mark.parametrize(
    ("width", "head"),
    [
        (120, "queue waiting delayed active blocked completed failed cancelled oldest"),
        (80, "queue waiting delayed active blocked completed failed"),
        (60, "queue waiting delayed active failed"),
        (10, "queue waiting active failed"),
    ],
)
def test_a_narrow_terminal_goes_without_columns_and_cuts_nothing(width: int, head: str) -> None:
    rows = [stats(name, waiting=1_000_000, blocked=1, cancelled=1, age_s=99) for name in default_queues()]
    lines = shown(*rows, width=width)

    assert lines[0] == head
    assert not any("…" in line for line in lines)
    assert [line.split()[0] for line in lines[1:]] == list(default_queues())


def test_a_pause_is_seen_whole_at_80_columns() -> None:
    lines = shown(*(stats(name, paused="the mail server is moved " * 5) for name in default_queues()), width=80)

    assert not any("…" in line for line in lines)
    assert " ".join(lines).count(("the mail server is moved " * 5).strip()) == 10
