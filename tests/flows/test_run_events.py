"""The events of runs say when a run was to start, did, and entered the state before."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json, to_json

from upshot.flows.runs.flowrun import new_run, parse_run
from upshot.flows.runs.transitions import create_arguments, transition_arguments
from upshot.flows.states import State


def payload(arguments: tuple[Any, ...], at: int) -> dict[str, Any]:
    return from_json(arguments[at])["payload"]  # type: ignore[no-any-return]


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def test_a_new_run_was_to_start_when_it_was_made() -> None:
    run = new_run("etl", state=State("Scheduled"))
    told = payload(create_arguments(run), 6)
    assert (told["scheduled"], told["started"], told["due"]) == (run.created, None, None)
    assert (told["previous"], told["previous_entered"]) == (None, None)


def test_a_run_for_later_says_when_also_after_it_was_kept() -> None:
    run = new_run("etl", state=State("Scheduled"))
    arguments = create_arguments(run, due_ms=1_800_000_000_500)
    told = payload(arguments, 6)
    assert told["scheduled"] == told["due"] == "2027-01-15T08:00:00.500000Z"
    pairs = zip(arguments[7::2], arguments[8::2], strict=True)
    fields = {str(name).encode(): _bytes(value) for name, value in pairs}
    kept = parse_run({**fields, b"version": b"1", b"epoch": b"1"})
    assert kept.scheduled == "2027-01-15T08:00:00.500000Z"
    told = payload(transition_arguments(kept, State("Pending"), own=False), 8)
    assert (told["scheduled"], told["due"]) == (kept.scheduled, None)


def test_the_end_of_a_run_says_when_it_started() -> None:
    run = new_run("etl", state=State("Running"), started="2027-01-15T08:00:00.000000Z")
    told = payload(transition_arguments(run, State("Completed"), own=True), 8)
    assert told["started"] == "2027-01-15T08:00:00.000000Z"
    assert told["previous_entered"] == run.state.timestamp


def test_what_a_newer_version_writes_of_a_run_does_not_stop_an_older_one() -> None:
    run = new_run("etl", state=State("Scheduled"), tags=["nightly"])
    arguments = create_arguments(run)
    pairs = zip(arguments[7::2], arguments[8::2], strict=True)
    fields = {str(name).encode(): _bytes(value) for name, value in pairs}
    newer = {**from_json(fields[b"doc"]), "colour": "blue"}
    more = {b"doc": to_json(newer), b"version": b"1", b"epoch": b"1"}
    kept = parse_run({**fields, **more})
    assert (kept.flow, kept.tags) == ("etl", ("nightly",))
