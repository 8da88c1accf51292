"""The story of a run: its task runs one by one where they are few, else summed up; pure."""

from __future__ import annotations

from typing import Any

from upshot.services.cli.timeline import Story, rows

AT = "2026-11-20T07:00:0{}+00:00"


def summed(task: str, states: dict[str, int], ended: str | None) -> dict[str, Any]:
    times = {"created": AT.format(0), "started": AT.format(1), "ended": ended}
    return {"task": task, "runs": sum(states.values()), "states": states, "after": [], **times}


def test_many_task_runs_are_told_in_one_line_of_how_many_are_in_which_state() -> None:
    sums = [
        summed("load", {"Completed": 99_999, "Failed": 1}, AT.format(3)),
        summed("save", {"Completed": 1, "Running": 2}, None),
    ]
    (row,) = rows(Story({}, [], sums, [], []))
    assert row.what == "  100,003 task runs"
    assert row.detail == "100,000 Completed, 2 Running, 1 Failed (--tasks shows each)"
    assert row.time == AT.format(3)


def test_task_runs_that_are_at_hand_are_told_one_by_one() -> None:
    state = {"type": "Completed", "name": "Cached", "message": ""}
    task = {"name": "load-0", "state": state, "started": AT.format(1), "ended": AT.format(1)}
    sums = [summed("load", {"Cached": 1}, AT.format(1))]
    (row,) = rows(Story({}, [], sums, [task], []))
    assert row.what == "  load-0"
    assert row.detail.startswith("Cached in")


def test_a_run_without_tasks_tells_of_none() -> None:
    assert rows(Story({}, [], [], [], [])) == []
