"""The page on events names all that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from upshot.automations.importing.notes import Notes
from upshot.automations.importing.prefect_names import event_names
from upshot.events.event import Event
from upshot.flows.states import NAMES

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "events.md").read_text()
_LITERAL = re.compile(
    r'"((?:automation|action|asset|artifact|limit|worker|log|run-input|flow-run|task-run)'
    r'\.(?!html|json)[a-z-]+)"'
)
_SOURCES = [
    path
    for room in ("events", "flows", "automations", "services")
    for suffix in ("*.py", "*.lua")
    for path in (ROOT / room).rglob(suffix)
]
SENT = sorted({name for path in _SOURCES for name in _LITERAL.findall(path.read_text())})


def _told() -> set[str]:
    """Return the names in the page; ``.pending`` goes on with the kind that was named last."""
    found, kind = set(), ""
    for name in re.findall(r"`([a-z-]*\.[a-z<>-]+)`", PAGE):
        kind = name.partition(".")[0] or kind
        found.add(name if not name.startswith(".") else kind + name)
    return found


@pytest.mark.parametrize("name", SENT)
def test_what_is_sent_is_named(name: str) -> None:
    assert name.replace("task-run.", "flow-run.") in _told()


def test_each_type_of_state_has_its_event() -> None:
    assert {f"flow-run.{kind.lower()}" for kind in NAMES.values()} <= _told()


def test_the_event_of_the_page_is_one() -> None:
    (body,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    shown = json.loads(body)
    del shown["received"], shown["position"]  # what the log adds
    assert Event.model_validate(shown).related


@pytest.mark.parametrize("name", ["prefect.worker.started", "prefect.worker.stopped"])
def test_an_imported_rule_waits_for_events_that_there_are(name: str) -> None:
    assert set(event_names([name], Notes()).names) <= _told()
