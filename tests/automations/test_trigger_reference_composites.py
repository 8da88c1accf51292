"""Reference cases of compounds and sequences: what a rule means, one line each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.automations.playing import outcomes, play
from upshot.automations.firing import Firing

A, B, C, D = ({"expect": f"{letter}.done"} for letter in "abcd")
NO_B, NO_C = {"not": B}, {"not": C}
TWICE_A = {**A, "threshold": 2, "within": 10}


def compound(*triggers: Any, require: Any = "all", within: Any = 10, **more: Any) -> dict[str, Any]:
    return {"type": "compound", "require": require, "within": within, **more,
            "triggers": list(triggers)}  # fmt: skip


def sequence(*triggers: Any, within: Any = 10, **more: Any) -> dict[str, Any]:
    return {"type": "sequence", "within": within, **more, "triggers": list(triggers)}


def of(letter: str, **more: Any) -> dict[str, Any]:
    return {"expect": f"{letter}.done", **more}


EACH = {"for_each": "id"}
CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("all: when the last has fired", compound(A, B), "A1 B2", "2"),
    ("all: in any order", compound(A, B), "B1 A2", "2"),
    ("all: not with one alone", compound(A, B), "A1 A2 A3", ""),
    ("all: not too far apart", compound(A, B), "A1 B11", ""),
    ("all: as far apart as may be", compound(A, B), "A1 B10.9", "10.9"),
    ("all: the latest of each is held", compound(A, B), "A1 A9 B12", "12"),
    ("all: starts over after firing", compound(A, B), "A1 B2 B3 A4", "2 4"),
    ("all: of three", compound(A, B, C), "A1 C2 B3", "3"),
    ("all: of three, one too old", compound(A, B, C), "A1 B9 C12", ""),
    ("all: of three, the old one again", compound(A, B, C), "A1 B9 C12 A13", "13"),
    ("all: without within, however far apart", compound(A, B, within=0), "A1 B99999", "99999"),
    (
        "all is what is required by default",
        {"type": "compound", "within": 10, "triggers": [A, B]},
        "A1 B2",
        "2",
    ),
    ("all: one event for both", compound(A, {"expect": "*.done"}), "A1", "1"),
    ("any: each time", compound(A, B, require="any"), "A1 B2 A3", "1 2 3"),
    ("any: one event that is both fires once", compound(A, A, require="any"), "A1", "1"),
    ("any: with a threshold within", compound(TWICE_A, B, require="any"), "A1 B2 A3", "2 3"),
    ("two of three", compound(A, B, C, require=2), "A1 C2 B3 A4", "2 4"),
    ("two of three: twice the same is one", compound(A, B, C, require=2), "A1 A2 A3", ""),
    ("one of two", compound(A, B, require=1), "B1", "1"),
    ("a child with a threshold", compound(TWICE_A, B), "B1 A2 A3", "3"),
    (
        "a child that is absent",
        compound(A, of("b", posture="Proactive", within=5)),
        "A3 |4 |6",
        "5",
    ),
    (
        "absent from both",
        compound(of("a", posture="Proactive", within=5), of("b", posture="Proactive", within=5)),
        "A3 |6 |9 |16",
        "8 13",
    ),
    ("for each value", compound(A, B, **EACH), "A1:x B2:y B3:x", "3:x"),
    (
        "for each, also in the child",
        compound({**TWICE_A, **EACH}, B, **EACH),
        "A1:x A2:y B3:x A4:x",
        "4:x",
    ),
    (
        "for each of an absence, from its labels",
        compound(of("a", posture="Proactive", within=5, after="c.done", **EACH), B, **EACH),
        "C1:x C1:y B2:y |9",
        "6:y",
    ),
    ("nested: all of any", compound(compound(A, B, require="any"), C), "B1 C2", "2"),
    ("nested: any of all", compound(compound(A, B), C, require="any"), "A1 C2 B3", "2 3"),
    ("nested three deep", compound(compound(compound(A, B), C), D), "A1 B2 C3 D4", "4"),
    ("nested: a sequence in a compound", compound(sequence(A, B), C), "C1 B2 A3 B4", "4"),
    ("nested for each", compound(compound(A, B, **EACH), C, **EACH), "A1:x B2:x C3:y C4:x", "4:x"),
    ("not: A, and no B", compound(A, NO_B), "A1 |12", "11"),
    ("not: B in time", compound(A, NO_B), "A1 B5 |99", ""),
    ("not: B too late", compound(A, NO_B), "A1 B12 |99", "11"),
    ("not: B shortly before", compound(A, NO_B), "B1 A5 |99", ""),
    ("not: B long before", compound(A, NO_B), "B1 A12 |99", "22"),
    ("not: B as long before as just too long", compound(A, NO_B), "B1 A11 |99", "21"),
    ("not: B a moment less long before", compound(A, NO_B), "B1.001 A11 |99", ""),
    ("not: B and A at once", compound(A, {"not": {"expect": "*.done"}}), "A1 |99", ""),
    ("not: once for one wait", compound(A, NO_B), "A1 A2 A3 |99", "11"),
    ("not: after B, A again", compound(A, NO_B), "A1 B2 A13 |99", "23"),
    ("not: A and C, but no B", compound(A, NO_B, C), "A1 C3 |99", "11"),
    ("not: A and C, and B between", compound(A, NO_B, C), "A1 B2 C3 |99", ""),
    ("not: of two, either", compound(A, NO_B, NO_C), "A1 C3 |99", ""),
    ("not: for each", compound(A, NO_B, **EACH), "A1:x A1:y B2:x |99", "11:y"),
    ("not: any, and no C", compound(A, B, NO_C, require="any"), "B1 |99", "11"),
    ("sequence: in order", sequence(A, B), "A1 B2", "2"),
    ("sequence: not in reverse", sequence(A, B), "B1 A2", ""),
    ("sequence: of three", sequence(A, B, C), "A1 B2 C3", "3"),
    ("sequence: one is missing", sequence(A, B, C), "A1 C3", ""),
    ("sequence: two are swapped", sequence(A, B, C), "A1 C2 B3", ""),
    ("sequence: others between", sequence(A, C), "A1 B2 D3 C4", "4"),
    ("sequence: a step again", sequence(A, B, C), "A1 B2 A3 C4", "4"),
    ("sequence: too slow", sequence(A, B), "A1 B11", ""),
    ("sequence: too slow from the first, not from the latest", sequence(A, B), "A1 A9 B12", "12"),
    ("sequence: too slow in all", sequence(A, B, C), "A1 B6 C12", ""),
    ("sequence: without within", sequence(A, B, within=0), "A1 B99999", "99999"),
    ("sequence: starts over", sequence(A, B), "A1 B2 B3 A4 B5", "2 5"),
    ("sequence: of the same", sequence(A, A), "A1 A2 A3 A4", "2 4"),
    ("sequence: of the same, thrice", sequence(A, A, A), "A1 A2 A3", "3"),
    ("sequence: one event is one step", sequence(A, {"expect": "*.done"}), "A1", ""),
    ("sequence: of one", sequence(A), "A1 A2", "1 2"),
    ("sequence: for each", sequence(A, B, **EACH), "A1:x B2:y B3:x", "3:x"),
    ("sequence: with a threshold", sequence(TWICE_A, B), "A1 B2 A3 B4", "4"),
    ("sequence: then absent", sequence(A, of("b", posture="Proactive", within=5)), "A3 |4 |6", "5"),
    ("sequence: of compounds", sequence(compound(A, B), C), "A1 C2 B3 C4", "4"),
    ("sequence not: nothing between", sequence(A, NO_B, C), "A1 C2", "2"),
    ("sequence not: something between", sequence(A, NO_B, C), "A1 B2 C3", ""),
    ("sequence not: between, and again", sequence(A, NO_B, C), "A1 B2 A3 C4", "4"),
    ("sequence not: afterwards", sequence(A, C, NO_B), "A1 C2 |99", "11"),
    ("sequence not: afterwards it came", sequence(A, C, NO_B), "A1 C2 B9 |99", ""),
    (
        "sequence not: before the last step does not count",
        sequence(A, C, NO_B),
        "A1 B2 C3 |99",
        "11",
    ),
    ("sequence not: before", sequence(NO_B, A), "A1", "1"),
    ("sequence not: before it came", sequence(NO_B, A), "B1 A2", ""),
    ("sequence not: long before", sequence(NO_B, A), "B1 A12", "12"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("trigger", "line", "expected"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_a_trigger_of_triggers(trigger: dict[str, Any], line: str, expected: str) -> None:
    assert play(trigger, line) == expected


@pytest.mark.parametrize(
    ("trigger", "line", "positions"),
    [
        (compound(A, B), "A1 A2 B3", ("2000-1", "3000-2")),
        (compound(TWICE_A, B), "A1 A2 B3", ("1000-0", "2000-1", "3000-2")),
        (compound(A, NO_B), "A1 |99", ("1000-0",)),
        (sequence(A, B, C), "A1 B2 A3 C4", ("1000-0", "2000-1", "4000-3")),
        (sequence(compound(A, B), C), "B1 A2 C3", ("1000-0", "2000-1", "3000-2")),
    ],
    ids=str,
)
def test_a_firing_names_the_events_of_all_its_parts(
    trigger: dict[str, Any], line: str, positions: tuple[str, ...]
) -> None:
    (firing,) = outcomes(trigger, line)
    assert isinstance(firing, Firing)
    assert firing.positions == positions
    assert (firing.event is None) == line.endswith("|99")


def test_silence_in_a_gap_is_not_taken_for_nothing_forbidden() -> None:
    assert play(compound(A, NO_B), "A1 |100", gaps=[(5, 65)]) == "71"
    assert play(compound(A, NO_B), "A1 B66 |100", gaps=[(5, 65)]) == ""
