"""Reference cases of what users of other engines rely on, and of the faults they met there.

One line each, as documented for event, compound and sequence triggers; then every reference case
of any trigger again, with the memory written and read back after each event.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.automations import test_trigger_reference_composites as composites
from tests.automations import test_trigger_reference_events as events
from tests.automations import test_trigger_reference_measures as measures
from tests.automations.making import automation, event, feed
from tests.automations.playing import play, played, run
from upshot.automations.definition import Automation
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.outcomes import Outcome
from upshot.automations.trying.backtest import Backtest

Case = tuple[str, dict[str, Any], str, str]

A, B, C = ({"expect": f"{letter}.done"} for letter in "abc")
TWICE: dict[str, Any] = {**A, "threshold": 2, "within": 10}
GONE = {"posture": "Proactive", "within": 10}
EACH = {"for_each": "id"}
NIGHTLY = {"role": "deployment", "name": "etl/nightly"}


def compound(*triggers: Any, require: Any = "all", within: Any = 10, **more: Any) -> dict[str, Any]:
    parts = {"triggers": list(triggers), "require": require, "within": within}
    return {"type": "compound", **parts, **more}


def sequence(*triggers: Any, within: Any = 10, **more: Any) -> dict[str, Any]:
    return {"type": "sequence", "within": within, "triggers": list(triggers), **more}


MATCHING: list[Case] = [
    ("a glob is no part of a name", {"expect": "flow-run.fail"}, "fail1", ""),
    ("a glob at the front", {"expect": "*.done"}, "A1 B2 fail3", "1 2"),
    ("two globs in one name", {"expect": "*-run.*ed"}, "fail1 run2 ok3", "1 3"),
    ("a glob and a name", {"expect": ["flow-run.c*", "a.done"]}, "A1 B2 crash3 fail4", "1 3"),
    ("the same name twice counts once", {**TWICE, "expect": ["a.done", "a.done"]}, "A1 A2", "2"),
    ("labels tell capitals apart", {**A, "match": {"env": "prod"}}, "A1(.env=Prod)", ""),
    ("a glob within a label", {**A, "match": {"id": "eu-*-db"}}, "A1:eu-1-db A2:eu-1-web", "1"),
    ("globs in a list of values", {**A, "match": {"id": ["a*", "*z"]}}, "A1:ab A2:bz A3:bb", "1 2"),
    ("all negations must hold", {**A, "match": {"id": ["!a*", "!b*"]}}, "A1:ab A2:ba A3:cc", "3"),
    ("a negation takes the rest of a list away",
     {**A, "match": {"env": ["*", "!dev"]}}, "A1(.env=dev) A2(.env=qa) A3", "2"),
    ("an empty match takes all", {**A, "match": {}}, "A1 A2:x", "1 2"),
    ("any event at all of a resource", {"match": {"id": "flow-run.x"}}, "run1:x ok2:x ok3:y",
     "1 2"),
    ("a related name among several", {**A, "match_related": {"role": "flow", "name": ["a", "b"]}},
     "A1(^flow=a) A2(^flow=c) A3(^flow=b)", "1 3"),
    ("a related glob", {**A, "match_related": {"role": "deployment", "name": "etl/*"}},
     "A1(^deployment=etl/x) A2(^deployment=ml/x)", "1"),
    ("a related role must fit, too", {**A, "match_related": NIGHTLY},
     "A1(^flow=etl/nightly) A2(^deployment=etl/nightly)", "2"),
    ("one of several of a role is enough", {**A, "match_related": {"role": "tag", "name": "db"}},
     "A1(^tag=web,^tag=db) A2(^tag=web)", "1"),
    ("match and match_related both", {**A, "match": {"env": "p"}, "match_related": NIGHTLY},
     "A1(.env=p) A2(^deployment=etl/nightly) A3(.env=p,^deployment=etl/nightly)", "3"),
    ("two related specs may be met by the same", {**A, "match_related": [
        {"role": "tag"}, {"name": "db"}]}, "A1(^tag=db) A2(^tag=x)", "1"),
    ("a label by its id", {**A, "match_related": {"id": "flow.etl"}}, "A1(^flow=etl)", "1"),
    ("a where that needs a missing label", {**A, "where": "event.resource.env == 'p'"},
     "A1 A2(.env=p)", "2"),
    ("a where over what is related",
     {**A, "where": "event.related.exists(each, each.name == 'etl')"}, "A1 A2(^flow=etl)", "2"),
]  # fmt: skip
COUNTING: list[Case] = [
    ("a threshold of one within a window", {**A, "threshold": 1, "within": 10}, "A1 A5 A12",
     "1 12"),
    ("the window begins with the first, not with the clock", TWICE, "A9 A18", "18"),
    ("just too far apart", TWICE, "A9 A19", ""),
    ("what was too old leaves the next one its window", TWICE, "A1 A12 A13", "13"),
    ("twice as many fire twice, a window apart", TWICE, "A1 A2 A11 A12", "2 12"),
    ("a buckets' quiet is its own", {**TWICE, **EACH}, "A1:x A2:x A3:y A4:x A5:y", "2:x 5:y"),
    ("no bucket sees another one's window", {**TWICE, **EACH}, "A1:x A10:y A11:x A12:y", "12:y"),
    ("by two labels", {**TWICE, "for_each": ["id", "env"]},
     "A1:x(.env=p) A2:x(.env=q) A3:x(.env=p)", '3:["x","p"]'),
    ("by a related label", {**TWICE, "for_each": "related:flow:name"},
     "A1(^flow=a) A2(^flow=b) A3(^flow=a)", "3:a"),
    ("by a related label that some lack", {**TWICE, "for_each": "related:flow:name"},
     "A1 A2(^flow=a) A3", "3"),
    ("by the run's deployment", {"expect": "flow-run.failed", "threshold": 2, "within": 10,
     "for_each": "related:deployment:name"},
     "fail1:a(^deployment=x) fail2:b(^deployment=y) fail3:c(^deployment=x)", "3:x"),
    ("by a number of the payload", {**TWICE, "for_each": "payload.n"}, "A1(n=1) A2(n=2) A3(n=1)",
     "3:1"),
    ("other events between do not matter", TWICE, "A1 B2 C3 B4 A5", "5"),
    ("a hundred at once count", {**A, "threshold": 100, "within": 10},
     " ".join(["A1"] * 100), "1"),
    ("one less than a hundred", {**A, "threshold": 100, "within": 10}, " ".join(["A1"] * 99), ""),
    ("after, of several names", {**B, "after": ["a.done", "c.done"], "within": 10}, "C1 B2", "2"),
    ("after, by a glob", {**B, "after": "flow-run.*", "within": 10}, "run1 B2", "2"),
    ("after is matched, too", {**B, "after": "a.done", "match": {"id": "x"}, "within": 10},
     "A1:y B2:x A3:x B4:x", "4"),
    ("after of one value, expected of the other", {**B, "after": "a.done", "within": 10, **EACH},
     "A1:x B2:y B3:x", "3:x"),
    ("what came before after is not counted",
     {**B, "after": "a.done", "threshold": 2, "within": 10}, "B1 A2 B3 B4", "4"),
    ("after again, once its window ended", {**B, "after": "a.done", "within": 10}, "A1 A12 B20",
     "20"),
]  # fmt: skip
ABSENT: list[Case] = [
    ("absent although others came", {**A, **GONE}, "B5 C9 |11", "10"),
    ("absent of what matches", {**A, **GONE, "match": {"id": "x"}}, "A5:y |11", "10"),
    ("absent by where", {**A, **GONE, "where": "event.payload.n > 1"}, "A5(n=1) |11", "10"),
    ("there by where", {**A, **GONE, "where": "event.payload.n > 1"}, "A5(n=2) |14", ""),
    ("two of three came", {**A, **GONE, "threshold": 3}, "A1 A2 |11", "10"),
    ("three of three came", {**A, **GONE, "threshold": 3}, "A1 A2 A3 |11", ""),
    ("goes on after it was absent", {**A, **GONE}, "|11 A15 |24 |26", "10 25"),
    ("after, and enough", {**B, **GONE, "after": "a.done", "threshold": 2}, "A1 B2 B3 |99", ""),
    ("after, and one too few", {**B, **GONE, "after": "a.done", "threshold": 2}, "A1 B2 |99", "11"),
    ("after, and one too late", {**B, **GONE, "after": "a.done"}, "A1 B12 |99", "11"),
    ("after, at the very last moment", {**B, **GONE, "after": "a.done"}, "A1 B10.999 |99", ""),
    ("each time that after comes", {**B, **GONE, "after": "a.done"}, "A1 A12 |99", "11 22"),
    ("each run that starts must end", {"posture": "Proactive", "after": "flow-run.running",
     "expect": ["flow-run.completed", "flow-run.failed", "flow-run.crashed"], "within": 10, **EACH},
     "run1:a run2:b ok5:a run6:c fail7:c |99", "12:flow-run.b"),
    ("a heartbeat of each, one falls silent", {**A, **GONE, "after": "a.done", **EACH},
     "A1:x A2:y A9:x A10:y A18:x |27", "20:y"),
    ("each related one", {**B, **GONE, "after": "a.done", "for_each": "related:flow:name"},
     "A1(^flow=x) A2(^flow=y) B3(^flow=y) |99", "11:x"),
    ("an absence needs no event to be judged", {**A, **GONE}, "|10.001", "10"),
    ("nor is it judged too early", {**A, **GONE}, "|9.999", ""),
]  # fmt: skip
COMBINED: list[Case] = [
    ("all: each by its own match", compound({**A, "match": {"id": "x"}}, B), "A1:y B2 A3:x", "3"),
    ("all: of the same kind, told apart by match",
     compound({**A, "match": {"id": "x"}}, {**A, "match": {"id": "y"}}), "A1:x A2:x A3:y", "3"),
    ("all: four of them", compound(A, B, C, {"expect": "d.done"}), "D1 B2 A3 C4", "4"),
    ("all: within begins with the oldest that is held", compound(A, B, C), "A1 B5 C10.9", "10.9"),
    ("all: a late one takes the place of the early", compound(A, B, C), "A1 B5 A9 C14", "14"),
    ("any: of many in one moment", compound(A, B, C, require="any"), "A1 B1 C1", "1 1 1"),
    ("a number that is all", compound(A, B, require=2), "A1 B2", "2"),
    ("a number, the oldest is too old", compound(A, B, C, require=2), "A1 B12 C13", "13"),
    ("one of three is any", compound(A, B, C, require=1), "A1 C2", "1 2"),
    ("a part in quiet has fired once", compound(TWICE, B), "A1 A2 B3 A4 B5", "3"),
    ("a part that fires anew", compound(TWICE, B, within=60), "A1 A2 B3 A12 A13 B14", "3 14"),
    ("for each related label", compound(A, B, for_each="related:flow:name"),
     "A1(^flow=x) B2(^flow=y) B3(^flow=x)", "3:x"),
    ("for each, any", compound(A, B, require="any", **EACH), "A1:x B2:y", "1:x 2:y"),
    ("an absence and an event", compound({**A, **GONE}, B, within=60), "B5 |11", "10"),
    ("an absence without the event", compound({**A, **GONE}, B, within=60), "|11", ""),
    ("a chain of four", sequence(A, B, C, A, within=60), "A1 B2 C3 A4", "4"),
    ("a chain, broken by time in the middle", sequence(A, B, C), "A1 B9 C12", ""),
    ("a chain begins anew with its first step", sequence(A, B, C), "A1 B9 A11 B12 C13", "13"),
    ("a chain of each", sequence(A, B, **EACH), "A1:x A2:y B3:y B4:x", "3:y 4:x"),
    ("a chain of one run", sequence({"expect": "flow-run.running"}, {"expect": "flow-run.failed"},
     **EACH), "run1:a run2:b ok3:a fail4:b fail5:a", "4:flow-run.b 5:flow-run.a"),
    ("a chain within a chain", sequence(sequence(A, B), C), "A1 B2 C3", "3"),
    ("a chain or an event", compound(sequence(A, B), C, require="any"), "A1 C2 B3", "2 3"),
]  # fmt: skip
FAULTS: list[Case] = [
    ("a run that finished before its window's end is not absent",
     {"posture": "Proactive", "after": "flow-run.pending", "expect": "flow-run.*", "within": 10,
      **EACH}, "pend1:a ok10.9:a |99", ""),
    ("an event of long ago is not parked", A, "A100 B101 A101", "100 101"),
    ("the same moment is no order: all are counted", {**A, "threshold": 3, "within": 1},
     "A5 A5 A5", "5"),
    ("a payload's number stays a number", {**A, "where": "event.payload.n + 1 == 3"}, "A1(n=2)",
     "1"),
    ("a payload's text is no number", {**A, "where": "event.payload.n == 2"}, 'A1(n="2")', ""),
]  # fmt: skip
DOCUMENTED = MATCHING + COUNTING + ABSENT + COMBINED + FAULTS
REFERENCE = events.CASES + composites.CASES + DOCUMENTED


@pytest.mark.parametrize(
    ("trigger", "line", "expected"), [pytest.param(*case[1:], id=case[0]) for case in DOCUMENTED]
)
def test_a_documented_trigger(trigger: dict[str, Any], line: str, expected: str) -> None:
    assert play(trigger, line) == expected


def test_there_are_enough_of_them_and_each_says_something_of_its_own() -> None:
    assert len(REFERENCE) >= 200
    names = [case[0] for case in REFERENCE]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(
    ("trigger", "line"),
    [pytest.param(*case[1:3], id=case[0]) for case in REFERENCE + measures.CASES],
)
def test_no_count_is_lost_on_a_restart(trigger: dict[str, Any], line: str) -> None:
    assert restarted_after_each(trigger, line) == play(trigger, line)


@pytest.mark.parametrize("clock", ["1970-01-01T00:00:00Z", "2099-12-31T23:59:59Z"])
def test_a_sender_whose_clock_is_wrong_fires_all_the_same(clock: str) -> None:
    evaluator = Evaluator()
    evaluator.define(automation(**TWICE), 1, 0)
    found = feed(evaluator, *(event("a.done", at, occurred=clock) for at in (5000, 9000, 20_000)))
    assert played(found) == "9"


@pytest.mark.parametrize(
    "trigger",
    [
        compound(A, B),
        sequence(A, B),
        compound(compound(A, B), C, require="any"),
        compound(A, B, {"not": C}),
    ],
    ids=str,
)
def test_templates_see_the_events_of_a_trigger_of_triggers(trigger: dict[str, Any]) -> None:
    (firing,) = backtested(trigger, {"n": "{{ events | length }}", "of": "{{ event.resource.id }}"})
    assert firing["arguments"]["parameters"] == {"n": 2, "of": "thing.1"}


def test_a_parameter_keeps_its_type() -> None:
    given = {"whole": 3, "half": 0.5, "yes": True, "list": [1, "1"], "text": "7", "none": None}
    parameters = {key: f"{{{{ event.payload.{key} }}}}" for key in given}
    (firing,) = backtested(A, {**parameters, "told": "run {{ event.payload.whole }}"}, given)
    assert firing["arguments"]["parameters"] == {**given, "told": "run 3"}


def backtested(
    trigger: dict[str, Any], parameters: dict[str, Any], payload: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return the first action, filled in, of each firing on an ``a.done`` and a ``b.done``."""
    action = {"run-deployment": {"deployment": "etl/nightly", "parameters": parameters}}
    rule = Automation.model_validate({"name": "one", "trigger": trigger, "actions": [action]})
    backtest = Backtest(rule, 0)
    backtest.feed(
        [event(f"{name}.done", at, payload=payload or {}) for at, name in enumerate("ab")]
    )
    return [firing["actions"][0] for firing in backtest.finish(99_000).firings]


def restarted_after_each(trigger: dict[str, Any], line: str) -> str:
    """Play a line with another evaluator for each part of it, which has what the last one kept."""
    kept: dict[tuple[str, str], bytes] = {}
    found: list[Outcome] = []
    for number, token in enumerate(line.split()):
        evaluator = Evaluator()
        evaluator.define(automation(**trigger), 1, 0)
        for (node, bucket), body in kept.items():
            assert evaluator.restore_window(node, bucket, body)
        found += run(evaluator, token, number)
        for key, changed in evaluator.take_changes().items():
            kept.pop(key, None)
            if changed is not None:
                kept[key] = changed
    return played(found)
