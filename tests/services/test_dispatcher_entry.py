"""Entries of the actions stream: as the engine writes them, and as other versions did."""

from __future__ import annotations

from dataclasses import replace

from pydantic_core import from_json, to_json

from tests.services.dispatching import EVENT, entry
from upshot.automations.control.candidate import Candidate
from upshot.automations.files.loading import loads
from upshot.automations.firing import Occasion, come_about
from upshot.automations.triggers import Reason, Verdict
from upshot.events.event import Recorded
from upshot.services.dispatcher.compiled import compile_action
from upshot.services.dispatcher.entry import parse_entry
from upshot.services.engine.outcomes import record

_METRIC = """
automations:
  - name: orders
    trigger: {expect: [order.placed]}
    actions: [{notify: {to: oncall}}]
"""


def test_what_another_version_wrote_besides_is_no_fault_and_stays_with_the_entry() -> None:
    causation = {"depth": 1, "chain": ["e1"], "automations": {"auto-1": 1}, "speed": "c"}
    written = entry({"notify": {"to": "oncall", "colour": "red"}}, causation=causation, mood="good")
    parsed = parse_entry(to_json(written))
    assert parsed.causation.chain == ["e1"]
    assert from_json(parsed.at_action(0, 1).to_json())["mood"] == "good"
    assert compile_action(parsed.actions[0]).action.type == "notify"


def test_templates_see_of_a_firing_what_the_engine_decided() -> None:
    event = Recorded("5-1", 5, EVENT)
    occasion = Occasion.of_event("order.7", event)
    verdict = Verdict(None, Reason.BREACHED, True, ("4-1", "5-1"), value=0.5)
    automation = loads(_METRIC).automations[0]
    candidate = Candidate.of(verdict, occasion, {"id": "order.7"})
    firing = come_about("auto-1", automation, 3, candidate)
    firing = replace(firing, batch=2, incident={"id": "i", "status": "opened", "count": 1})
    written = record(firing, [{"notify": {"to": "oncall"}}], [event])
    assert parse_entry(written.entry).summary() == firing.summary()
