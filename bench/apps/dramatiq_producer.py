"""Adds jobs with stock Dramatiq: modes send and pickup."""

from __future__ import annotations

from bench.apps.dramatiq_app import noop, pickup
from bench.apps.producing import paused, payloads, read_request, timed


def main() -> None:
    """Do what the request asks."""
    request = read_request()
    source = payloads()

    def send(jobs: int) -> None:
        for _ in range(jobs):
            noop.send(**next(source))

    match request.mode:
        case "send":
            timed(send, request)
        case "pickup":
            paused(lambda now: pickup.send(sent_ns=now), request)
        case other:
            raise SystemExit(f"no mode {other!r}")


if __name__ == "__main__":
    main()
