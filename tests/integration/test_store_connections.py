"""Connections of threads that are gone are closed: web servers may start a thread for each request."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

from callboard.store.store import Store


def open_files() -> int:
    """How many this process has open, sockets among them."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_thread_that_ended_leaves_no_connection(store: Store) -> None:
    def asks() -> None:
        store.call("stats", "q")

    asks()
    before = open_files()
    for _ in range(20):
        thread = Thread(target=asks)
        thread.start()
        thread.join()
    assert open_files() <= before + 1


def test_connections_of_threads_that_live_are_closed_with_the_store(store: Store) -> None:
    before = open_files()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(store.call, "stats", "q").result()
        assert open_files() > before
        store.close()
        assert open_files() <= before
