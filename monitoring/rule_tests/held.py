"""The four cases of an alert whose expression must hold for a time: most are of this kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitoring.rule_tests.cases import STEP, Case, Fires, always, samples, seconds

#: Series -> its value.
Values = Mapping[str, float]


def held(
    alert: str,
    hold: str,
    *,
    fires: Sequence[Fires],
    over: Values,
    boundary: Values | None,
    silent: Values,
    why_silent: str = "far from it",
) -> list[Case]:
    """Cases of ``alert``: ``over`` fires once it held for ``hold``; ``boundary`` and ``silent`` never do.

    ``boundary`` None: it is only in time. The three name the same series.
    """
    wait = seconds(hold)
    late, half = wait + 60, wait // 2 // STEP * STEP
    cases = [
        Case(alert, "firing", "for as long as it must hold", _steady(over), {wait: fires, late: fires}),
        Case(alert, "boundary", "one evaluation too short", _steady(over), {wait - STEP: []}),
        never(alert, hold, "silent", why_silent, silent),
        Case(
            alert, "resolved", "the cause ends",
            {name: samples((value, late), (silent[name], late)) for name, value in over.items()},
            {late - STEP: fires, late: [], late + 60: []},
        ),
        Case(
            alert, "silent", "interrupted, so it starts anew",
            {name: samples((value, half), (silent[name], STEP), (value, late)) for name, value in over.items()},
            {wait: [], half + wait: [], half + STEP + wait: fires},
        ),
    ]  # fmt: skip
    if boundary is not None:
        cases.append(never(alert, hold, "boundary", "exactly the threshold", boundary))
    return cases


def never(alert: str, hold: str, kind: str, why: str, values: Values) -> Case:
    """A case in which ``alert`` does not fire, however long ``values`` stay."""
    wait = seconds(hold) if hold else 0
    assert kind in {"silent", "boundary"}
    return Case(alert, "silent" if kind == "silent" else "boundary", why, _steady(values),
                {wait: [], wait + 60: []})  # fmt: skip


def also(alert: str, hold: str, why: str, values: Values, fires: Sequence[Fires]) -> Case:
    """One more case in which ``alert`` fires."""
    return Case(alert, "firing", why, _steady(values), {seconds(hold): fires})


def _steady(values: Values) -> dict[str, str]:
    return {name: always(value) for name, value in values.items()}
