"""A standard error that nobody reads holds up nobody."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from callboard.unblocked import PIPE_BUF, Unblocked, write_within
from middleware.logs.writer import LineWriter

Pipe = tuple[int, int]


@pytest.fixture
def full() -> Iterator[Pipe]:
    """A pipe that takes nothing more: (reading end, writing end)."""
    reading, writing = os.pipe()
    while not write_within(writing, b"f" * PIPE_BUF, 0.0):
        pass
    yield reading, writing
    os.close(reading)
    os.close(writing)


def within(seconds: float, do: object) -> None:
    """Fail when ``do()`` takes longer; it goes on in a thread of its own then."""
    assert callable(do)
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), f"it waits for a reader, after {seconds} s still"


def test_a_full_pipe_is_waited_for_as_long_as_is_meant(full: Pipe) -> None:
    left: list[bytes] = []
    for wait_s in (0.0, 0.2):
        began = monotonic()
        within(5, lambda wait_s=wait_s: left.append(write_within(full[1], b"x\n", wait_s)))
        assert wait_s <= monotonic() - began < wait_s + 2
    assert left == [b"x\n", b"x\n"]
    assert os.get_blocking(full[1]), "other processes share the open file"


def test_what_is_taken_is_written_and_the_rest_given_back(full: Pipe) -> None:
    data = b"y" * (3 * PIPE_BUF)
    os.read(full[0], PIPE_BUF)
    left: list[bytes] = []
    within(5, lambda: left.append(write_within(full[1], data, 0.0)))
    assert left == [data[PIPE_BUF:]]


def test_nobody_waits_for_a_reader_that_is_gone() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    assert write_within(writing, b"x\n", 5.0) == b""
    os.close(writing)


def test_a_file_takes_everything(tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as file:
        assert write_within(file.fileno(), b"z" * 1_000_000, 0.0) == b""
        stream = Unblocked(file.fileno(), 0.0)
        assert stream.write("ü\ud800\n") == 3
    assert (tmp_path / "log").read_bytes() == b"z" * 1_000_000 + "ü".encode() + b"\\ud800\n"


def test_the_end_of_a_writer_has_a_limit_and_what_was_not_read_is_counted(
    full: Pipe, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("middleware.logs.writer._CLOSE_S", 0.3)
    writer = LineWriter(full[1])
    writer.open()
    for _ in range(300):
        writer.put_finished("x" * 200 + "\n")
    within(5, writer.close)
    within(1, lambda: writer.put("late\n"))
    within(1, lambda: writer.put_finished("later\n"))
    assert "300 log lines were dropped" in caplog.text
    os.read(full[0], PIPE_BUF)
    writer.put("heard\n")
    os.set_blocking(full[0], False)
    received = b""
    while received[-1:] != b"\n":
        received = os.read(full[0], 65_536)
    assert received.endswith(b"fheard\n"), "a reader that is back gets what comes then"
