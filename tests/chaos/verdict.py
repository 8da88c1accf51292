"""Judges what is left after the kills: what must hold, worked out from the log alone. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from upshot.events.event import Recorded
from upshot.events.ids import derived_id
from upshot.flows.states import ENDED, NAMES, StateType

from .load import Sent
from .seen import Firing, Run, Seen

HEAL = derived_id("automation", "errands-heal")
THRESHOLD = 3
CALLS = ("each-order", "every-third-cup")
_SHOWN = 5

Expected = Counter[tuple[str, tuple[str, ...]]]
"""Automation and positions of the events that fire it → how many firings there are to be."""


@dataclass
class Verdict:
    """Counts for the table, and whatever does not hold."""

    counts: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def must_be_empty(self, what: str, wrong: Iterable[object]) -> None:
        found = list(wrong)
        if found:
            shown = ", ".join(map(str, found[:_SHOWN]))
            self.problems.append(f"{len(found)} {what}: {shown}")


def judge(seen: Seen, sent: Sent, calls: Counter[str]) -> Verdict:
    """Hold what is there against what must be.

    Args:
        calls: how often the receiver saw each key.
    """
    verdict = Verdict()
    verdict.must_be_empty("unexpected answers of the API", sent.wrong)
    _judge_log(verdict, seen, sent)
    _judge_runs(verdict, seen)
    _judge_firings(verdict, seen)
    _judge_actions(verdict, seen, calls)
    verdict.must_be_empty("stuck", (f"{name} {n}" for name, n in seen.unfinished.items()))
    verdict.counts["stuck"] = str(sum(seen.unfinished.values()))
    return verdict


def _judge_log(verdict: Verdict, seen: Seen, sent: Sent) -> None:
    """Every acknowledged event is there once; no event is there twice."""
    there = Counter(event.id for event in seen.log)
    found = sum(1 for each in sent.acknowledged if there[each])
    verdict.must_be_empty("lost", (each for each in sent.acknowledged if not there[each]))
    twice = [each for each, times in there.items() if times > 1]
    verdict.must_be_empty("events in the log more than once", twice)
    verdict.counts |= {
        "acknowledged": str(len(sent.acknowledged)),
        "in the log": str(found),
        "log duplicates": str(len(twice)),
    }


def _judge_runs(verdict: Verdict, seen: Seen) -> None:
    """Every run and task run is what its last event says, once, and ended as it should have."""
    last = {event.resource["id"]: event for event in seen.log if _is_state(event)}
    runs = seen.runs.values()
    verdict.must_be_empty(
        "runs that are not what their last event says",
        (each.run.id for each in runs if not _agrees(each, last.get(f"flow-run.{each.run.id}"))),
    )
    verdict.must_be_empty("task runs that are not what their last event says", _astray(runs, last))
    wrong = (r for r in seen.runs.values() if seen.indexed.get(r.run.id) != [r.run.state.type])
    verdict.must_be_empty("runs listed under a wrong state", (each.run.id for each in wrong))
    verdict.must_be_empty("open task runs of ended runs", _left_open(runs))
    verdict.must_be_empty(
        "runs that ended as none may", (r.run.id for r in runs if not _may_end(r))
    )
    asked = {_errand_run(each) for each in seen.firings.values() if _is(each, "errands")}
    verdict.must_be_empty("runs missing or unasked for", asked ^ set(seen.runs))
    ends = Counter(each.run.state.type.value for each in runs)
    verdict.counts["runs"] = " ".join(f"{n} {kind}" for kind, n in sorted(ends.items()))


def _is_state(event: Recorded) -> bool:
    return event.own and event.resource["id"].startswith(("flow-run.", "task-run."))


def _agrees(run: Run, last: Recorded | None) -> bool:
    return last is not None and last.id == run.event and _told(last) == run.run.state.to_dict()


def _told(event: Recorded) -> object:
    return event.payload.get("state")


def _astray(runs: Iterable[Run], last: dict[str, Recorded]) -> Iterator[str]:
    for run in runs:
        for task_id, (kind, record) in run.tasks.items():
            event = last.get(f"task-run.{task_id}")
            told = _told(event) if event is not None else None
            if told != record["state"] or NAMES[record["state"]["name"]] != kind:
                yield f"{task_id} ({kind}, told {told})"


def _left_open(runs: Iterable[Run]) -> Iterator[str]:
    for run in runs:
        if run.run.state.ended:
            for task_id, (kind, _) in run.tasks.items():
                if StateType(kind) not in ENDED:
                    yield f"{task_id} of {run.run.id} is {kind}, the run {run.run.state.name}"


def _may_end(run: Run) -> bool:
    """Tell whether a run ended well, or was lost again after the one healing that it gets."""
    if run.run.state.type in (StateType.FAILED, StateType.CRASHED):
        causation = run.run.causation
        return causation is not None and HEAL in causation.automations
    return run.run.state.completed


def expected(log: Iterable[Recorded]) -> Expected:
    """Work out which firings the log calls for, independently of the engine."""
    found: Expected = Counter()
    cups: defaultdict[str, list[str]] = defaultdict(list)
    for event in log:
        if event.name == "order.placed":
            found["each-order", (event.position,)] += 1
        elif event.name == "errand.asked":
            found["errands", (event.position,)] += 1
        elif event.name in ("flow-run.failed", "flow-run.crashed"):
            found["errands-heal", (event.position,)] += HEAL not in event.causation.automations
        elif event.name == "cup.filled":
            cups[event.resource["id"]].append(event.position)
            if len(cups[event.resource["id"]]) == THRESHOLD:
                found["every-third-cup", tuple(cups[event.resource["id"]])] += 1
    return +found


def _judge_firings(verdict: Verdict, seen: Seen) -> None:
    """Every firing that the log calls for is there once, in the records and in the log."""
    due = expected(seen.log)
    there = Counter(
        (str(each.doc["automation"]), tuple(each.doc["positions"]))
        for each in seen.firings.values()
    )
    verdict.must_be_empty("firings missing", (due - there).elements())
    verdict.must_be_empty("firings too many", (there - due).elements())
    told = Counter(e.payload["firing"] for e in seen.log if e.own and e.name == "automation.fired")
    kept = Counter(list(seen.firings))
    verdict.must_be_empty("firings told too often", (told - kept).elements())
    verdict.must_be_empty("firings not told", (kept - told).elements())
    verdict.counts["firings found/due"] = f"{there.total()}/{due.total()}"


def _judge_actions(verdict: Verdict, seen: Seen, calls: Counter[str]) -> None:
    """Every action succeeded, and what it was to bring about is there once."""
    verdict.must_be_empty("actions without success", _without_success(seen.firings.values()))
    keys = {f"{f.id}:0" for f in seen.firings.values() if f.doc["automation"] in CALLS}
    verdict.must_be_empty("calls missing", keys - calls.keys())
    verdict.must_be_empty("calls that nothing asked for", calls.keys() - keys)
    noted = Counter(event.resource["id"] for event in seen.log if event.name == "order.noted")
    placed = Counter(event.resource["id"] for event in seen.log if event.name == "order.placed")
    verdict.must_be_empty("orders not noted", placed - noted)
    verdict.must_be_empty("orders noted too often", noted - placed)
    verdict.counts["calls unique/total"] = f"{len(calls)}/{calls.total()}"


def _without_success(firings: Iterable[Firing]) -> Iterator[str]:
    for firing in firings:
        for index in range(len(firing.doc["actions"])):
            outcome = firing.outcomes.get(index, {})
            if outcome.get("outcome") != "succeeded":
                yield f"{firing.doc['automation']} {firing.id}:{index} {outcome.get('detail')}"


def _is(firing: Firing, automation: str) -> bool:
    return bool(firing.doc["automation"] == automation)


def _errand_run(firing: Firing) -> str:
    return derived_id("run", firing.id, "0")
