"""Who the targets of alerts are: what is understood, what is refused, and that no refusal shows a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.alerts.errors import AlertsMisconfigured, UnknownTarget
from actors.alerts.settings import load_targets

URL = "discord://s3cret-id/s3cret-token"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TARGETS", "TARGETS_FILE", "TIMEOUT_S"):
        monkeypatch.delenv(f"CALLBOARD_ALERTS_{name}", raising=False)


def refused(monkeypatch: pytest.MonkeyPatch, **values: str) -> str:
    """Why these values (names without the prefix) are refused."""
    for name, value in values.items():
        monkeypatch.setenv(f"CALLBOARD_ALERTS_{name}", value)
    with pytest.raises(AlertsMisconfigured) as raised:
        load_targets()
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None
    return str(raised.value)


def test_without_any_there_are_none() -> None:
    assert load_targets().by_name == {}


def test_a_url_alone_or_with_severities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "CALLBOARD_ALERTS_TARGETS", f'{{"chat": "{URL}", "sms": {{"url": "{URL}", "severities": ["critical"]}}}}'
    )
    targets = load_targets()
    assert list(targets.by_name) == ["chat", "sms"]
    assert targets["chat"].url.get_secret_value() == URL
    assert [targets["chat"].wants(each) for each in ("critical", "warning", "")] == [True, True, True]
    assert [targets["sms"].wants(each) for each in ("critical", "warning", "")] == [True, False, False]
    assert "s3cret" not in repr(targets)


def test_a_file_is_read_anew_each_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "targets.json"
    file.write_text(f'{{"one": "{URL}"}}', encoding="utf-8")
    monkeypatch.setenv("CALLBOARD_ALERTS_TARGETS_FILE", str(file))
    assert list(load_targets().by_name) == ["one"]
    file.write_text(f'{{"two": "{URL}"}}', encoding="utf-8")
    assert list(load_targets().by_name) == ["two"]


@pytest.mark.parametrize("text", ['{"chat": "discord://s3cret"', '["discord://s3cret"]', "discord://s3cret", "7"])
def test_what_is_no_object_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert refused(monkeypatch, TARGETS=text).startswith("CALLBOARD_ALERTS_TARGETS: is not a JSON object")


@pytest.mark.parametrize("name", ["", "Chat", "a.b", "x" * 41, "-a"])
def test_a_name_that_cannot_be_in_a_jobs_id_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert f"the name {name!r} is not" in refused(monkeypatch, TARGETS=f'{{"{name}": "{URL}"}}')


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('"s3cret"', "url: is no URL"),
        ("7", "Input should be"),
        ("null", "Input should be"),
        ('{"severities": ["critical"]}', "url: Field required"),
        (f'{{"url": "{URL}", "severity": "critical"}}', "severity: Extra inputs"),
        (f'{{"url": "{URL}", "severities": "critical"}}', "severities: "),
    ],
)
def test_a_target_that_cannot_be_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, value: str, reason: str
) -> None:
    said = refused(monkeypatch, TARGETS=f'{{"chat": {value}}}')
    assert said.startswith("CALLBOARD_ALERTS_TARGETS: target chat: ")
    assert reason in said


def test_both_places_at_once_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "both set" in refused(monkeypatch, TARGETS=f'{{"chat": "{URL}"}}', TARGETS_FILE=str(tmp_path / "none"))


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing, latin = tmp_path / "missing", tmp_path / "latin"
    latin.write_bytes(b'{"chat": "\xff"}')
    assert f"{missing} cannot be read: No such file" in refused(monkeypatch, TARGETS_FILE=str(missing))
    assert f"{latin} cannot be read: it is not UTF-8" in refused(monkeypatch, TARGETS_FILE=str(latin))


def test_a_timeout_must_end_before_the_queues_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(monkeypatch, TIMEOUT_S="60").startswith("timeout_s: ")


def test_an_unknown_target_is_named_with_those_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_ALERTS_TARGETS", f'{{"chat": "{URL}"}}')
    with pytest.raises(UnknownTarget, match=r"no target 'sms' \(any more\); there are: chat"):
        load_targets()["sms"]
