"""Tries wrong versions of rules against the tests of the rules, many in one run of promtool.

A wrong version gets a name of its own, and the tests of the right one with that name. So a scenario is loaded once for
all versions of an alert.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import promql_parser

from tests.support.mutate_rules import Mutant, mutants
from tests.support.promtool import failures

Rule = dict[str, Any]


def surviving_alerts(folder: Path, name: str, rules: Sequence[Rule], tests: Sequence[Rule], every: str) -> set[str]:
    """What can be changed in the rules called ``name`` without a test that fails. ``rules``: of that name, all."""
    found = {f"{name}__{i}": (at, mutant) for i, (at, mutant) in enumerate(_all(rules))}

    def failed(aliases: Sequence[str]) -> list[str]:
        wrong = [
            (found[alias][1].rule if here == found[alias][0] else rule) | {"alert": alias}
            for alias in aliases
            for here, rule in enumerate(rules)
        ]
        asked = []
        for test in tests:
            own = [each for each in test["alert_rule_test"] if each["alertname"] == name]
            if own:
                as_wrong = [each | {"alertname": alias} for each in own for alias in aliases]
                asked.append(test | {"alert_rule_test": own + as_wrong})
        return failures(folder, [*rules, *wrong], asked, every)

    return {f"{name} {found[alias][0]}: {found[alias][1].what}" for alias in _unnoticed(name, list(found), failed)}


def surviving_recordings(
    folder: Path, record: str, rules: Sequence[Rule], tests: Sequence[Rule], every: str
) -> set[str]:
    """What can be changed in the recording rule ``record`` without a test that fails. ``rules``: all of the file."""
    (rule,) = [each for each in rules if each["record"] == record]
    found = {f"{record}__{i}": mutant for i, (_, mutant) in enumerate(_all([rule]))}
    exact = re.compile(rf"(?<![\w:]){re.escape(record)}(?![\w:])")

    def failed(aliases: Sequence[str]) -> list[str]:
        wrong = [found[alias].rule | {"record": alias} for alias in aliases]
        asked = []
        for test in tests:
            own = [each for each in test["promql_expr_test"] if exact.search(each["expr"])]
            if own:
                as_wrong = [_renamed(each, exact, alias) for each in own for alias in aliases]
                asked.append(test | {"promql_expr_test": own + as_wrong})
        told = failures(folder, [*rules, *wrong], asked, every)
        return [name for expr in told for name in re.findall(r"[\w:]+", expr) if name == record or name in found]

    return {f"{record}: {found[alias].what}" for alias in _unnoticed(record, list(found), failed)}


def _unnoticed(name: str, aliases: list[str], failed: Callable[[Sequence[str]], list[str]]) -> list[str]:
    """Those wrong versions that nothing noticed. What cannot be evaluated is noticed, and hides what else fails: so it
    is tried again without."""
    left = aliases
    while noticed := set(failed(left)):
        assert name not in noticed, f"{name}: its tests fail for the rule as it is"
        left = [alias for alias in left if alias not in noticed]
    return left


def _all(rules: Sequence[Rule]) -> list[tuple[int, Mutant]]:
    made = [(at, mutant) for at, rule in enumerate(rules) for mutant in mutants(rule)]
    for _, mutant in made:
        promql_parser.parse(mutant.rule["expr"])  # what is no expression would prove nothing
    return made


def _renamed(test: Rule, name: re.Pattern[str], alias: str) -> Rule:
    samples = [each | {"labels": name.sub(alias, each["labels"])} for each in test["exp_samples"]]
    return test | {"expr": name.sub(alias, test["expr"]), "exp_samples": samples}
