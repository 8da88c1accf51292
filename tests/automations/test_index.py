"""The index never misses an automation, and offers few."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.automations.making import event
from upshot.automations.index import Index
from upshot.automations.logtime import OpenTime
from upshot.automations.triggers import EventTrigger, Facts

VALUES = st.sampled_from(["a", "b", "a*", "!a", "!b"])
SPECS = st.dictionaries(
    st.sampled_from(["id", "name", "env"]), st.lists(VALUES, min_size=1, max_size=2), max_size=2
)
TRIGGERS = st.fixed_dictionaries(
    {
        "expect": st.lists(st.sampled_from(["x.a", "x.b", "x.*", "*"]), min_size=1, max_size=2),
        "match": SPECS,
        "match_related": st.lists(SPECS, max_size=2),
    }
)
LABELS = st.dictionaries(
    st.sampled_from(["id", "name", "env"]), st.sampled_from(["a", "b", "ab"]), max_size=3
)


def index_of(triggers: dict[str, EventTrigger]) -> Index[str]:
    index: Index[str] = Index()
    for key, trigger in triggers.items():
        index.add(key, trigger.interest(), key)
    return index


@given(
    written=st.lists(TRIGGERS, max_size=8),
    removed=st.sets(st.integers(0, 7)),
    name=st.sampled_from(["x.a", "x.b", "x.c", "y.a"]),
    resource=LABELS,
    related=st.lists(LABELS, max_size=2),
)
def test_every_automation_that_matches_is_a_candidate(
    written: list[Any],
    removed: set[int],
    name: str,
    resource: dict[str, str],
    related: list[dict[str, str]],
) -> None:
    triggers = {str(n): EventTrigger.model_validate(each) for n, each in enumerate(written)}
    index = index_of(triggers)
    index.candidates(name, resource, related)
    for number in removed:
        index.remove(str(number))
    recorded = event(name, 1, related=related)
    recorded.body["resource"] = resource
    facts = Facts(recorded)
    matching = {
        key
        for key, trigger in triggers.items()
        if int(key) not in removed and trigger.decide(None, facts, OpenTime()).fires
    }
    candidates = index.candidates(name, resource, related)
    assert matching <= set(candidates)
    assert len(candidates) == len(set(candidates))
    assert not {str(number) for number in removed} & set(candidates)


def test_few_of_many_automations_on_one_event_name_are_tried() -> None:
    index = index_of(
        {
            str(n): EventTrigger.model_validate(
                {"expect": "x.a", "match": {"env": "prod", "zone": f"z{n}"}}
            )
            for n in range(1000)
        }
        | {
            f"related-{n}": EventTrigger.model_validate(
                {"expect": "x.*", "match_related": {"role": "deployment", "name": f"d{n}"}}
            )
            for n in range(1000)
        }
    )
    resource = {"id": "1", "env": "prod", "zone": "z7"}
    deployment = [{"role": "deployment", "name": "d9", "id": "deployment.1"}]
    assert len(index.candidates("x.a", resource, deployment)) <= 4


def test_an_index_that_was_emptied_holds_nothing() -> None:
    trigger = EventTrigger.model_validate({"expect": ["x.*", "y.a"], "match": {"id": ["a", "b"]}})
    index = index_of({"1": trigger, "2": trigger})
    index.remove("1")
    index.remove("2")
    index.remove("3")
    assert len(index) == 0
    assert index._by_pattern == {}
    assert index.candidates("x.q", {"id": "a"}, []) == []
    index.add("4", trigger.interest(), "4")
    assert index.candidates("x.q", {"id": "a"}, []) == ["4"]
