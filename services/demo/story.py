"""Plays the story step by step, and checks after each step that what should happen did."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from upshot.services.client import Client
from upshot.services.exceptions import DemoFailed

from .deliveries import Delivery, recorded
from .stage import Stage
from .steps import Steps, require, until

Item = dict[str, Any]

DEPLOYMENT: Final = "github-report/deliveries"
_TASKS_BEFORE_THE_KILL: Final = 2
_PROCESS: Final = re.compile(r"process (\d+)")
_MOST_EVENTS: Final = 10_000


@dataclass(slots=True)
class Cast:
    """The deliveries: those with a part of their own, and all of them.

    Attributes:
        broken: a step of it failed, so the report on it fails for good.
        killed: the process that reports on it is killed on the way.
        ignored: no automation waits for it.
    """

    all: Sequence[Delivery]
    broken: Delivery = field(init=False)
    killed: Delivery = field(init=False)
    ignored: Delivery = field(init=False)

    def __post_init__(self) -> None:
        self.broken = next(each for each in self.all if "failure" in each.conclusions)
        self.killed = max(
            (each for each in self.all if each is not self.broken),
            key=lambda each: len(each.conclusions),
        )
        self.ignored = next(each for each in self.all if each.event == "ping")

    @property
    def reported(self) -> list[Delivery]:
        """Those that start a run."""
        return [each for each in self.all if each is not self.ignored]

    def expected(self, delivery: Delivery) -> tuple[str, int]:
        """Return the state that the run of a delivery ends in, and at which attempt."""
        if delivery is self.broken:
            return "Failed", 2
        return "Completed", 2 if delivery is self.killed else 1


@dataclass(slots=True)
class Outcome:
    """What happened, as the service tells it.

    Attributes:
        rows: how many rows the report has by kind of delivery.
        metrics: in Prometheus' text format.
    """

    events: list[Item]
    rows: dict[str, int]
    metrics: str
    mail: str
    post: Item


def play(stage: Stage, steps: Steps) -> Outcome:
    """Play the whole story.

    Raises:
        DemoFailed: something expected did not happen; the message says what.
    """
    cast, client = Cast(recorded()), stage.client
    with steps.step("examples/ is applied: webhook, receivers, deployments, automations"):
        stage.apply_examples()
    with steps.step(f"{len(cast.all)} deliveries of GitHub are posted, signed"):
        for delivery in cast.all:
            _require_answer(stage, delivery, 202, {"accepted": 1, "duplicates": 0})
    with steps.step(f"the run on {cast.killed.title} is killed with -9 on the way"):
        _kill_run_on(cast.killed, client)
    with steps.step("a redelivery is a duplicate; a wrong signature is refused with 401"):
        _require_answer(stage, cast.all[0], 202, {"accepted": 0, "duplicates": 1})
        refused = stage.post(cast.all[0].anew(), secret="not the secret")
        require(refused.status_code == 401, f"a wrong signature got {refused.status_code}")
    with steps.step("every run ends: the killed one heals, the broken one fails again"):
        runs = _wait_for_runs(cast, client)
    with steps.step("people are told: by mail, and by a POST with JSON"):
        mail, post = _wait_for_notification(stage, runs[cast.broken.id]["name"])
    with steps.step("what is written matches what happened, everything exactly once"):
        rows = _check_report(stage, cast, runs)
        events = _check_events(cast, client)
        require(len(stage.mailbox.messages) == 1, "more than one mail was sent")
        require(len(stage.inbox.posts) == 1, "more than one POST was sent")
    return Outcome(events, rows, stage.metrics(), mail, post)


def _require_answer(stage: Stage, delivery: Delivery, status: int, body: Item) -> None:
    answer = stage.post(delivery)
    same = answer.status_code == status and answer.json() == body
    require(same, f"POST of {delivery.title}: {answer.status_code} {answer.text[:300]}")


def _runs(client: Client) -> dict[str, Item]:
    """Return the runs by the delivery that they report on."""
    runs = client.items("/runs", {"deployment": DEPLOYMENT})
    return {run["parameters"]["delivery"]: run for run in runs}


def _kill_run_on(delivery: Delivery, client: Client) -> None:
    """Kill the process of a run that has done a part of its tasks."""
    run_id = until("a run starts", lambda: _runs(client).get(delivery.id))["id"]
    path = f"/runs/{run_id}"

    def underway() -> bool | None:
        tasks = client.items("/task-runs", {"run": run_id, "state": "Completed"})
        return len(tasks) >= _TASKS_BEFORE_THE_KILL or None

    until("the run has done some of its tasks", underway)
    run = client.get(path)
    require(run["state"]["type"] == "Running", f"the run to kill is {run['state']['name']} already")
    process = until("the run logs its process", lambda: _process_of(client, run_id))
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError as error:
        raise DemoFailed("the run ended before it could be killed") from error


def _process_of(client: Client, run_id: str) -> int | None:
    messages = [line["message"] for line in client.items(f"/runs/{run_id}/logs")]
    found = next(filter(None, map(_PROCESS.match, messages)), None)
    return int(found[1]) if found else None


def _wait_for_runs(cast: Cast, client: Client) -> dict[str, Item]:
    wanted = {each.id: cast.expected(each) for each in cast.reported}
    actual: dict[str, tuple[str, int]] = {}

    def all_ended() -> dict[str, Item] | None:
        runs = _runs(client)
        actual.clear()
        actual.update({key: (run["state"]["type"], run["attempt"]) for key, run in runs.items()})
        return runs if actual == wanted else None

    try:
        return until("every run ends as expected", all_ended)
    except DemoFailed as error:
        titles = {each.id: each.title for each in cast.all}
        wrong = [
            f"{titles.get(key, key)}: {actual.get(key)} instead of {wanted.get(key)}"
            for key in {*wanted, *actual}
            if actual.get(key) != wanted.get(key)
        ]
        raise DemoFailed("\n  ".join([str(error), *wrong])) from error


def _wait_for_notification(stage: Stage, run: str) -> tuple[str, Item]:
    """Wait until both receivers were told of a run; return the mail's subject and the POST."""
    mail = until("the mail arrives", lambda: next(iter(stage.mailbox.messages), None))
    post = until("the POST arrives", lambda: next(iter(stage.inbox.posts), None))
    subject = str(mail["Subject"])
    require(run in subject, f"the mail is about {subject!r}, not about run {run}")
    require(run in post["title"], f"the POST is about {post['title']!r}, not about run {run}")
    return subject, post


def _check_report(stage: Stage, cast: Cast, runs: dict[str, Item]) -> dict[str, int]:
    """Compare the report with what the runs returned; return its rows by kind of delivery."""
    with closing(sqlite3.connect(stage.report)) as database:
        rows = database.execute("SELECT delivery, event, process FROM items").fetchall()
    by_delivery = Counter(delivery for delivery, _, _ in rows)
    returned = {key: run["result"] for key, run in runs.items() if key != cast.broken.id}
    require(by_delivery == returned, f"the report has {by_delivery}, the runs returned {returned}")
    processes = {process for delivery, _, process in rows if delivery == cast.killed.id}
    require(len(processes) == 2, "the killed run did not go on from where it was killed")
    return dict(Counter(event for _, event, _ in rows))


def _check_events(cast: Cast, client: Client) -> list[Item]:
    """Wait until every action has an outcome; return all events, oldest first."""
    firings = len(cast.reported) + 3  # two heal, one tells people

    def settled() -> list[Item] | None:
        events = client.items("/events", limit=_MOST_EVENTS)
        names = Counter(event["event"] for event in events)
        done = names["action.succeeded"] >= firings
        return events[::-1] if done else None

    events = until("every action succeeds", settled)
    names = Counter(event["event"] for event in events)
    told = {name: names[name] for name in ("automation.fired", "action.succeeded")}
    require(set(told.values()) == {firings}, f"{firings} of each were expected: {told}")
    require(client.items("/dead-letters") == [], "there are dead letters")
    return events
