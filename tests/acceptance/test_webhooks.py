"""From a signed webhook to its outcome: a report, a run that heals, or somebody who is told."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from upshot.services.demo.deliveries import Delivery, recorded
from upshot.services.demo.stage import Stage
from upshot.services.demo.steps import until
from upshot.services.demo.story import DEPLOYMENT, Cast

Item = dict[str, Any]


@pytest.fixture
def cast() -> Cast:
    return Cast(recorded())


def _run_on(stage: Stage, delivery: Delivery) -> Item | None:
    runs = stage.client.items("/runs", {"deployment": DEPLOYMENT})
    return next((run for run in runs if run["parameters"]["delivery"] == delivery.id), None)


def _ended(stage: Stage, delivery: Delivery, state: str, attempt: int) -> Item:
    def look() -> Item | None:
        run = _run_on(stage, delivery)
        return run if run and (run["state"]["type"], run["attempt"]) == (state, attempt) else None

    return until(f"the run on {delivery.title} is {state}, attempt {attempt}", look)


def _rows(stage: Stage, delivery: Delivery) -> list[tuple[Any, ...]]:
    query = "SELECT position, title, outcome, process FROM items WHERE delivery = ?"
    with closing(sqlite3.connect(stage.report)) as database:
        return database.execute(query, (delivery.id,)).fetchall()


def _chain(stage: Stage, event_id: str) -> list[str]:
    """Return the names of the events that led from the first cause to this one."""
    events = {event["id"]: event for event in stage.client.items("/events", limit=5000)}
    names = []
    while (event := events.get(event_id)) is not None:
        names.append(event["event"])
        event_id = event["follows"]
    return names[::-1]


def test_a_signed_delivery_becomes_a_report(stage: Stage, cast: Cast) -> None:
    delivery = next(each for each in cast.all if each.event == "issues")

    assert stage.post(delivery).status_code == 202
    run = _ended(stage, delivery, "Completed", 1)

    assert run["result"] == 2
    assert [row[1] for row in sorted(_rows(stage, delivery))] == ["bug", "Codertocat"]
    tasks = stage.client.items("/task-runs", {"run": run["id"]})
    assert [task["state"]["type"] for task in tasks] == ["Completed"] * 3


def test_an_event_tells_what_led_to_it(stage: Stage, cast: Cast) -> None:
    delivery = next(each for each in cast.all if each.event == "star")

    stage.post(delivery)
    run = _ended(stage, delivery, "Completed", 1)
    completed = until(
        "the run's last event can be read",
        lambda: next(
            iter(
                stage.client.items(
                    "/events",
                    {"event": "flow-run.completed", "resource": f"flow-run.{run['id']}"},
                )
            ),
            None,
        ),
    )

    assert _chain(stage, completed["id"]) == [
        "webhook.github",
        "automation.fired",
        "action.triggered",
        "flow-run.completed",
    ]


def test_a_redelivery_starts_nothing(stage: Stage, cast: Cast) -> None:
    delivery = next(each for each in cast.all if each.event == "push")

    first, second = stage.post(delivery), stage.post(delivery)
    _ended(stage, delivery, "Completed", 1)

    assert first.json() == {"accepted": 1, "duplicates": 0}
    assert (second.status_code, second.json()) == (202, {"accepted": 0, "duplicates": 1})
    runs = stage.client.items("/runs", {"deployment": DEPLOYMENT})
    assert [run["parameters"]["delivery"] for run in runs].count(delivery.id) == 1


def test_what_is_not_signed_as_agreed_never_reaches_the_log(stage: Stage, cast: Cast) -> None:
    delivery = cast.all[0]

    answer = stage.post(delivery, secret="another one")

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert all(event["id"] != delivery.id for event in stage.client.items("/events", limit=5000))
    assert 'upshot_rejected_total{reason="wrong-signature"}' in stage.metrics()


def test_a_report_that_stays_broken_is_retried_once_and_then_told(stage: Stage, cast: Cast) -> None:
    assert stage.post(cast.broken).status_code == 202

    run = _ended(stage, cast.broken, "Failed", 2)
    title = f"Report {run['name']} stays broken"
    mails = until(
        "a mail arrives",
        lambda: [each for each in stage.mailbox.messages if each["Subject"] == title] or None,
    )
    posts = until(
        "a POST arrives",
        lambda: [each for each in stage.inbox.posts if each["title"] == title] or None,
    )

    assert len(mails) == len(posts) == 1
    post = posts[0]
    assert "ended with a failure" in post["message"]
    assert post["type"] == "failure"
    assert _rows(stage, cast.broken) == []
    tasks = stage.client.items("/task-runs", {"run": run["id"]})
    completed = [task for task in tasks if task["state"]["type"] == "Completed"]
    assert len(completed) == len(cast.broken.conclusions) - 1  # all but the one that can't succeed


def test_a_run_killed_on_the_way_goes_on_where_it_was(stage: Stage, cast: Cast) -> None:
    stage.post(cast.killed)
    run = until("the run starts", lambda: _run_on(stage, cast.killed))

    def underway() -> list[Item] | None:
        tasks = stage.client.items("/task-runs", {"run": run["id"], "state": "Completed"})
        return tasks if len(tasks) >= 2 else None

    until("the run has done some tasks", underway)
    messages = [line["message"] for line in stage.client.items(f"/runs/{run['id']}/logs")]
    process = next(int(each.split()[1].rstrip(":")) for each in messages if "process" in each)
    os.kill(process, signal.SIGKILL)
    _ended(stage, cast.killed, "Completed", 2)

    rows = _rows(stage, cast.killed)
    assert len(rows) == len(cast.killed.conclusions)
    assert len({row[3] for row in rows}) == 2  # what was done before the kill was not done again
    assert process in {row[3] for row in rows}


def test_the_metrics_tell_what_happened(stage: Stage, cast: Cast) -> None:
    stage.post(cast.all[0])
    _ended(stage, cast.all[0], "Completed", 1)

    metrics = stage.metrics()

    for name in (
        'upshot_run_transitions_total{kind="flow-run",state="Completed"}',
        'upshot_actions_total{outcome="succeeded",type="run-deployment"}',
        "upshot_events_appended_total",
        "upshot_event_to_action_seconds_bucket",
    ):
        assert name in metrics
