"""Reference cases of metrics, deadlines, freshness and schedules: one line each."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.automations.making import automation
from tests.automations.playing import outcomes, play, run
from upshot.automations.definition import Automation
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.firing import Firing
from upshot.automations.triggers.metrics import SLOTS, Measured

ETL = "^deployment=etl/nightly"
RUNS: dict[str, Any] = {"type": "deadline", "deployment": "etl/nightly"}
STARTED = {**RUNS, "expect": "started", "within": 10}
FINISHED = {**RUNS, "expect": "finished", "within": 10}
SUCCEEDED = {**RUNS, "expect": "succeeded", "within": 10}
FROM_START = {**FINISHED, "of": "start"}
AT_ONE = {**RUNS, "by": "00:01", "expect": "finished"}
FRESH = {"type": "freshness", "asset": "orders", "within": 10}
EACH = {"for_each": "id"}


def metric(name: str, operator: str, threshold: Any, **more: Any) -> dict[str, Any]:
    return {"type": "metric", "metric": name, "operator": operator, "threshold": threshold,
            "range": 30, **more}  # fmt: skip


FAILURES = metric("failure_count", ">=", 3)
RATE = metric("success_rate", "<", "60%")
SILENT = metric("event_count", "<", 2, expect="a.done")
VALUE = metric("value", ">", 10, expect="a.done", value="event.payload.n")
QUEUE = metric("queue_depth", ">", 1)
RAN, LATE = metric("duration", ">", "10s"), metric("lateness", ">", 5)

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("deadline: started in time", STARTED, f"sched1({ETL}) run9({ETL}) |99", ""),
    ("deadline: not started in time", STARTED, f"sched1({ETL}) pend5({ETL}) |12", "11"),
    ("deadline: started too late", STARTED, f"sched1({ETL}) run12({ETL}) |99", "11"),
    ("deadline: once for each run", STARTED, f"sched1({ETL}) pend20({ETL}) |99", "11"),
    ("deadline: each run for itself", STARTED,
     f"sched1:a({ETL}) sched2:b({ETL}) run3:a({ETL}) |99", "12:flow-run.b"),
    ("deadline: of another deployment", STARTED, "sched1(^deployment=x) |99", ""),
    ("deadline: counted from the schedule", STARTED, f"sched1({ETL},scheduled=@30) |99", "40"),
    ("deadline: cancelled before it started", STARTED, f"sched1({ETL}) cancel5({ETL}) |99", ""),
    ("deadline: finished in time", FINISHED, f"sched1({ETL}) run2({ETL}) ok9({ETL}) |99", ""),
    ("deadline: not finished in time", FINISHED, f"sched1({ETL}) run2({ETL}) |99", "11"),
    ("deadline: failed is finished", FINISHED, f"sched1({ETL}) fail9({ETL}) |99", ""),
    ("deadline: crashed is finished", FINISHED, f"sched1({ETL}) crash9({ETL}) |99", ""),
    ("deadline: quiet about a late run until it ends", FINISHED,
     f"sched1({ETL}) run12({ETL}) pause13({ETL}) run14({ETL}) |99", "11"),
    ("deadline: never of a run that has ended", SUCCEEDED,
     f"sched1({ETL}) fail9({ETL}) |99", ""),
    ("deadline: not succeeded in time", SUCCEEDED, f"sched1({ETL}) run2({ETL}) |99", "11"),
    ("deadline: a retry gets a new one", SUCCEEDED,
     f"sched1({ETL}) fail9({ETL}) sched20({ETL},attempt=1,scheduled=@1) |99", "30"),
    ("deadline: an ended run's events open none", FINISHED, f"ok5({ETL}) |99", ""),
    ("deadline: counted from the start", FROM_START,
     f"sched1({ETL}) run20({ETL},attempt=1) |99", "30"),
    ("deadline: counted from the start, finished", FROM_START,
     f"run20({ETL},attempt=1) ok29({ETL}) |99", ""),
    ("deadline: one that had passed when the run was first seen", FINISHED,
     f"run50({ETL},attempt=1,scheduled=@1) |99", "50"),
    ("deadline: by a clock time", AT_ONE, f"sched1({ETL}) |99", "60"),
    ("deadline: finished by then", AT_ONE, f"sched1({ETL}) ok59({ETL}) |99", ""),
    ("deadline: by then of the next day", AT_ONE, f"sched61({ETL}) |90000", "86460"),
    ("deadline: by a clock elsewhere", {**AT_ONE, "by": "01:02", "timezone": "Europe/Berlin"},
     f"sched1({ETL}) |999", "120"),
    ("deadline: of a flow", {"type": "deadline", "flow": "etl", "within": 10},
     "sched1(^flow=etl) |99", "11"),
    ("deadline: of runs by name", {"type": "deadline", "match": {"name": "a*"}, "within": 10},
     "sched1:x(.name=ab) sched2:y(.name=b) |99", "11:flow-run.x"),
    ("freshness: from the definition on", FRESH, "|99", "10"),
    ("freshness: seen in time", FRESH, "A1:orders |9", ""),
    ("freshness: not seen again", {**FRESH, "expect": "a.*"}, "A5:orders |99", "15"),
    ("freshness: once, until it is seen", {**FRESH, "expect": "a.*"},
     "A5:orders |50 A60:orders |99", "15 70"),
    ("freshness: an asset by its id", {**FRESH, "expect": "a.*"}, "A5:asset.orders |14", ""),
    ("freshness: another asset", {**FRESH, "expect": "a.*"}, "A5:other |11", "10"),
    ("freshness: of any event", {"type": "freshness", "expect": "b.done", "within": 10},
     "B5 |99", "15"),
    ("freshness: for each", {"type": "freshness", "expect": "a.done", "within": 10, **EACH},
     "A5:x A6:y A12:x |99", "16:y 22:x"),
    ("schedule: cron", {"type": "schedule", "cron": "* * * * *"}, "|150", "60 120"),
    ("schedule: cron with seconds", {"type": "schedule", "cron": "*/20 * * * * *"},
     "|50", "20 40"),
    ("schedule: an interval", {"type": "schedule", "interval": 20}, "|50", "20 40"),
    ("schedule: an interval from a start",
     {"type": "schedule", "interval": 20, "start": "1970-01-01T00:00:05Z"}, "|50", "5 25 45"),
    ("schedule: days", {"type": "schedule", "calendar": {"days": 1, "at": "00:01"}},
     "|100000", "60 86460"),
    ("schedule: a rule", {"type": "schedule", "rrule": "FREQ=HOURLY;BYMINUTE=0,30"},
     "|4000", "1800 3600"),
    ("schedule: in the log's order with events",
     {"type": "compound", "within": 60, "triggers": [
         {"type": "schedule", "interval": 20}, {"expect": "a.done"}]}, "A15 |30 A35", "20"),
    ("schedule: every hour, unless",
     {"type": "sequence", "within": 30, "triggers": [
         {"not": {"expect": "a.done"}}, {"type": "schedule", "interval": 60}]},
     "|61 A100 |130 |200", "60 180"),
    ("metric: at the threshold", FAILURES, "fail1 fail2 crash3", "3"),
    ("metric: below it", FAILURES, "fail1 ok2 fail3 cancel4 |99", ""),
    ("metric: once as long as it lasts", FAILURES, "fail1 fail2 fail3 fail4 fail5", "3"),
    ("metric: again after it recovered", FAILURES,
     "fail1 fail2 fail3 |40 fail50 fail51 fail52", "3 52"),
    ("metric: what left the range does not count", FAILURES, "fail1 fail2 fail40", ""),
    ("metric: of a deployment", {**FAILURES, "deployment": "etl/nightly"},
     f"fail1({ETL}) fail2 fail3({ETL}) fail4({ETL})", "4"),
    ("metric: for each flow", {**FAILURES, "for_each": "related:flow:name"},
     "fail1(^flow=a) fail2(^flow=b) fail3(^flow=a) fail4(^flow=a)", "4:a"),
    ("metric: a rate", RATE, "ok1 fail2 ok3 fail4 ok5", "2 4"),
    ("metric: a rate that is good enough", RATE, "ok1 ok2 fail3 ok4", ""),
    ("metric: a rate of enough runs", {**RATE, "at_least": 3}, "fail1 fail2 fail3", "3"),
    ("metric: a rate without runs is none", RATE, "|999", ""),
    ("metric: a rate that recovers", RATE, "fail1 ok2 ok3 fail4 fail5", "1 4"),
    ("metric: recovered only beyond recovery", {**RATE, "recovery": "80%"},
     "fail1 ok2 ok3 fail4 fail5", "1"),
    ("metric: sustained", {**RATE, "firing_for": 10}, "fail1 |20", "11"),
    ("metric: not sustained", {**RATE, "firing_for": 10}, "fail1 ok5 ok6 |99", ""),
    ("metric: sustained from the breach on", {**RATE, "firing_for": 10},
     "fail1 ok5 ok6 fail7 fail8 |99", "17"),
    ("metric: too few events", SILENT, "A1 |99", "30"),
    ("metric: enough events", SILENT, "A20 A25 |40", ""),
    ("metric: too few of late", SILENT, "A20 A25 |99", "50"),
    ("metric: too few once", SILENT, "|999", "30"),
    ("metric: too few for each begins with its first", {**SILENT, **EACH}, "A5:x |99", "35:x"),
    ("metric: run count, retries apart", metric("run_count", ">", 1),
     "run1:a(attempt=1) run2:a(attempt=2) run3:b(attempt=1)", "3"),
    ("metric: a value's average", VALUE, "A1(n=5) A2(n=14) A3(n=20)", "3"),
    ("metric: a value that is none", VALUE, "A1 A2(n=true) A3(n=11)", "3"),
    ("metric: a value's maximum", {**VALUE, "aggregate": "max"}, "A1(n=5) A2(n=14)", "2"),
    ("metric: a value's minimum", {**VALUE, "aggregate": "min", "operator": "<"},
     "A1(n=50) A2(n=5)", "2"),
    ("metric: a value's sum", {**VALUE, "aggregate": "sum"}, "A1(n=5) A2(n=5) A3(n=1)", "3"),
    ("metric: a value's median", {**VALUE, "aggregate": "p50"},
     "A1(n=1) A2(n=99) A3(n=98)", "3"),
    ("metric: only values that where allows", {**VALUE, "where": "event.payload.n < 50"},
     "A1(n=99) A2(n=11)", "2"),
    ("metric: durations", RAN, "ok20(started=@15) ok30(started=@5)", "30"),
    ("metric: durations of what never started", RAN, "cancel20 |99", ""),
    ("metric: lateness", LATE, "run9(attempt=1,scheduled=@3)", "9"),
    ("metric: lateness of retries is none", LATE, "run9(attempt=2,scheduled=@3)", ""),
    ("metric: a queue that grows", QUEUE, "sched1:a sched2:b", "2"),
    ("metric: a queue that is worked off", QUEUE,
     "sched1:a pend2:a(previous=Scheduled) sched3:b |99", ""),
    ("metric: runs that are due later are no queue", QUEUE,
     "sched1:a sched2:b(due=@20) |99", "20"),
    ("metric: a later run that is cancelled never queues", QUEUE,
     "sched1:a sched2:b(due=@20) cancel3:b(previous=Scheduled,scheduled=@20) |99", ""),
    ("metric: what waited before is not known, nor missed", QUEUE,
     "pend1:x(previous=Scheduled) sched2:a sched3:b", "3"),
]  # fmt: skip


def bare(fired: str) -> str:
    """A deadline fires in its run's bucket; where there is one run that goes without saying."""
    return fired.replace(":flow-run.1", "")


@pytest.mark.parametrize(
    ("trigger", "line", "expected"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_a_measure_or_a_moment(trigger: dict[str, Any], line: str, expected: str) -> None:
    assert bare(play(trigger, line)) == expected


@pytest.mark.parametrize(
    ("trigger", "line", "expected"),
    [
        (FINISHED, f"sched1({ETL}) |200", "71"),
        (AT_ONE, f"sched1({ETL}) |200", "65"),
        (FRESH, "|100", "70"),
        (SILENT, "A1 |100", "90"),
        ({**RATE, "firing_for": 10}, "fail1 |100", "71"),
        ({"type": "schedule", "interval": 20}, "|50", "20 40"),
    ],
)
def test_time_stands_still_in_a_gap_but_for_schedules(
    trigger: dict[str, Any], line: str, expected: str
) -> None:
    assert bare(play(trigger, line, gaps=[(5, 65)])) == expected


@pytest.mark.parametrize("aggregate", ["p50", "p90", "p95", "p99"])
def test_a_percentile_is_right_within_two_percent(aggregate: str) -> None:
    values = [n**3 / 1000 + 0.5 for n in range(1, 200)]
    trigger = {**VALUE, "aggregate": aggregate, "threshold": 0, "at_least": len(values)}
    line = " ".join(f"A{1 + n / 100}(n={value})" for n, value in enumerate(values))
    (firing,) = outcomes(trigger, line)
    assert isinstance(firing, Firing)
    rank = -(-len(values) * int(aggregate[1:]) // 100)
    assert firing.value == pytest.approx(values[rank - 1], rel=0.02)


def test_a_metric_s_memory_does_not_grow_with_its_samples() -> None:
    evaluator = Evaluator()
    trigger = {**VALUE, "aggregate": "p95", "threshold": 1e9}
    evaluator.define(automation(**trigger), 1, 0)
    run(evaluator, " ".join(f"A{1 + n / 20}(n={n * n})" for n in range(1200)))
    ((_, window),) = evaluator.windows
    assert isinstance(window, Measured)
    assert len(window.samples.slots) <= SLOTS
    assert len(window.to_json()) < 20_000


@pytest.mark.parametrize(
    ("trigger", "complaint"),
    [
        ({"type": "nothing"}, "one of event, metric, schedule"),
        ({"type": "deadline", "within": 10}, "which runs"),
        (RUNS, "either 'by'"),
        ({**FINISHED, "by": "07:00"}, "either 'by'"),
        ({**RUNS, "by": "7 o'clock"}, "not a clock time"),
        ({**RUNS, "by": 420}, "in quotes"),
        ({**AT_ONE, "timezone": "Mars/Olympus"}, "no time zone"),
        ({**STARTED, "of": "start"}, "of: start"),
        ({"type": "freshness", "within": 10}, "freshness of what"),
        ({"type": "freshness", "asset": "x", "within": 0}, "at least 1s"),
        ({"type": "schedule"}, "write one of"),
        ({"type": "schedule", "cron": "x"}, "no cron expression"),
        ({"type": "schedule", "cron": "0 0 30 2 *"}, "no cron expression"),
        ({"type": "schedule", "interval": "100ms"}, "at least 1s"),
        ({"type": "schedule", "rrule": "FREQ=SECONDLY"}, "no recurrence rule"),
        ({"type": "schedule", "rrule": "FREQ=DAILY;INTERVAL=0"}, "INTERVAL"),
        ({"type": "schedule", "rrule": "FREQ=DAILY;COUNT=3"}, "UNTIL"),
        ({"type": "schedule", "rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "BYMONTHDAY"),
        ({"type": "schedule", "rrule": "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30"}, "never comes up"),
        ({"type": "schedule", "calendar": {"days": 1, "weeks": 1}}, "write one of"),
        ({**FAILURES, "expect": "x.y"}, "leave out 'expect'"),
        ({**FAILURES, "aggregate": "avg"}, "has no 'aggregate'"),
        ({**FAILURES, "range": 0}, "'range'"),
        ({**FAILURES, "threshold": "many"}, "threshold"),
        ({**RATE, "recovery": "50%"}, "good side"),
        (metric("event_count", ">", 1), "of which events"),
        (metric("value", ">", 1, expect="a.b"), "'value'"),
        ({**VALUE, "value": "event.payload."}, "value"),
        ({"type": "compound", "triggers": []}, "triggers"),
        ({"type": "compound", "triggers": [{"expect": "a.b"}], "require": 2}, "more than"),
        ({"type": "compound", "triggers": [{"expect": "a.b"}] * 17}, "triggers"),
        ({"type": "compound", "triggers": [{"not": {"expect": "a.b"}}], "within": 9}, "is to fire"),
        ({"type": "compound", "triggers": [{"expect": "a.b"}, {"not": {"expect": "b.c"}}]},
         "'not' needs a 'within'"),
        ({"not": {"expect": "a.b"}}, "one of event"),
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_no_sense_is_refused(trigger: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Automation.model_validate(
            {"name": "x", "trigger": trigger, "actions": [{"retry-flow-run": {}}]}
        )


def test_triggers_nest_four_deep_and_no_deeper() -> None:
    def nested(depth: int) -> dict[str, Any]:
        inner = {"expect": "a.done"} if depth == 1 else nested(depth - 1)
        return {"type": "compound", "triggers": [inner]}

    assert play(nested(4), "A1") == "1"
    with pytest.raises(ValidationError, match="4 deep"):
        play(nested(5), "A1")


@pytest.mark.parametrize(
    "written",
    [trigger for _, trigger, _, _ in CASES[::5]]
    + [{**FAILURES, "threshold": "3", "firing_for": "1m"}, {**AT_ONE, "by": "07:00:30"}],
    ids=str,
)
def test_a_trigger_survives_being_written_and_read(written: dict[str, Any]) -> None:
    made = Automation.model_validate(
        {"name": "x", "trigger": written, "actions": [{"retry-flow-run": {}}]}
    )
    assert Automation.model_validate(made.model_dump(mode="json")) == made
