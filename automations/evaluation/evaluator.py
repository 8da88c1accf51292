"""Evaluates automations over the log, in memory: no I/O and no clock, so that live is replay.

define / remove / restore_window / note_gap      what to evaluate, and with what memory
on_event: deadlines before it → what is in progress → triggers and their control → incidents
proceed                                          what conditions asked for is answered
take_changes / oldest_position                   what to keep, and what the log must keep
"""

from __future__ import annotations

from upshot.events.event import Recorded

from ..conditions.condition import Answers
from ..definition import Automation
from ..firing import Firing
from ..logtime import OpenTime
from ..outcomes import Asked, Outcome
from ..timers import Key
from ..triggers import Facts
from ..windows import OpenWindows
from .deciding import Deciding
from .nodes import Defined, Nodes


class Evaluator(Deciding):
    """The automations of a shard and the windows they have open.

    Args:
        time: the gaps known at the start.
        acts_since: the log's ms from which on it tells of what firings set off; before that, and
            where they are only tried out, each is taken to be in progress for ``takes`` ms.
    """

    def __init__(
        self, time: OpenTime | None = None, *, acts_since: int = 0, takes: int = 0
    ) -> None:
        super().__init__(time or OpenTime(), acts_since, takes)
        self._closed_since: int | None = None
        self._reached = 0
        self._next: Recorded | None = None

    def define(self, automation: Automation, version: int, position_ms: int) -> Defined:
        """Put an automation in force.

        The windows of each of its triggers, and of each stage of its control, stay where that one
        is unchanged and are dropped where it is not. A disabled automation has none. What control
        held is told of with the next event.

        Args:
            automation: the definition.
            version: counts up with each change of it.
            position_ms: its place in the log, in milliseconds.
        """
        return self._nodes.define(automation, version, position_ms)

    def remove(self, automation_id: str, position_ms: int) -> None:
        """Take an automation out of force, from a place in the log on, and close its windows."""
        self._nodes.remove(automation_id, position_ms)

    def restore_window(self, node: str, bucket: str, body: bytes) -> bool:
        """Open a window as it was kept, under its trigger's key; tell whether that is in force."""
        restored = self._windows.restore((node, bucket), body)
        if restored and "!" in node:
            self._controls.restored(node, bucket)
        return restored

    def note_gap(self, start: int, end: int) -> None:
        """Learn that the log was closed to outside senders from ``start`` to ``end`` (ms)."""
        self._windows.add_gap(start, end)

    def hold(self, closed_since: int | None) -> None:
        """Let no absence fall due while the log is closed to outside senders.

        Args:
            closed_since: since when it is closed, in the log's milliseconds; None while it is open.
        """
        self._closed_since = closed_since
        self._time.hold(closed_since)

    def on_event(self, recorded: Recorded) -> list[Outcome]:
        """Evaluate one event, and before it the deadlines that the log has now passed.

        Where conditions ask for look-ups, what comes later waits for ``proceed``.
        """
        outcomes = self.advance(recorded.received)
        if self._controls.asking:
            self._next = recorded
        else:
            self._take(recorded, outcomes)
        return outcomes

    def _take(self, recorded: Recorded, outcomes: list[Outcome]) -> None:
        self.stats.events += 1
        controls = self._controls
        if controls.abandoned:
            outcomes += controls.abandoned
            controls.abandoned = []
        if controls.awaiting and recorded.own:
            outcomes += controls.learn(recorded)
        body = recorded.body
        candidates = self._nodes.index.candidates(body["event"], body["resource"], body["related"])
        if candidates:
            facts = Facts(recorded)
            for node in candidates:
                outcomes += self._evaluate(node, facts)
            if self._fired:
                outcomes += self._gather()
        if controls.resolving:
            outcomes += controls.resolve(recorded)

    def proceed(self, asked: Asked, answers: Answers) -> list[Outcome]:
        """Go on where conditions asked for look-ups, before the next event is evaluated.

        Args:
            asked: what was asked. answers: what was found, for each of its questions.

        Returns:
            What follows; there may be more to ask among it.
        """
        outcomes = self._controls.proceed(asked, answers)
        if not self._controls.asking:
            outcomes += self.advance(self._reached)
        if self._next is not None and not self._controls.asking:
            recorded, self._next = self._next, None
            self._take(recorded, outcomes)
        return outcomes

    def advance(self, now_ms: int, most: int | None = None) -> list[Outcome]:
        """Judge everything whose deadline lies strictly before ``now_ms``, in order.

        Where conditions ask for look-ups, what is due later waits for ``proceed``.

        Args:
            most: after so many outcomes what is due later waits for the next call.
        """
        self._reached = now_ms
        if self._windows.quiet_until(now_ms):
            return []
        outcomes: list[Outcome] = []
        closed = self._closed_since
        open_until = now_ms if closed is None else min(now_ms, closed)
        while not self._controls.asking and (most is None or len(outcomes) < most):
            due = self._windows.take_due(now_ms, open_until)
            if due is None:
                self._windows.close_ended(now_ms)
                break
            outcomes += self._judge(*due)
        return outcomes

    def _judge(self, when: int, keys: list[Key]) -> list[Outcome]:
        """Judge what is due at one moment."""
        outcomes: list[Outcome] = []
        for key, bucket in keys:
            if "!" in key:
                outcomes += self._controls.at_deadline(key, bucket, when)
            else:
                outcomes += self._expire(self._nodes[key], bucket, when)
        if self._fired:  # one moment's firings count together, as one event's do
            outcomes += self._gather()
        return outcomes

    def give_up(self, firing: Firing) -> None:
        """Learn that a firing could not be recorded: nothing of it will ever end."""
        self._controls.give_up(firing)

    def quiet_until(self, now_ms: int) -> bool:
        """Tell at little cost whether surely nothing is due before ``now_ms``."""
        return self._windows.quiet_until(now_ms)

    def next_deadline(self) -> int | None:
        """Return the log's millisecond past which something is judged next, or None."""
        return self._windows.next_deadline()

    def take_changes(self) -> dict[Key, bytes | None]:
        """Return the windows changed since the last call, as they are kept; None where closed."""
        return self._windows.take_changes()

    def oldest_position(self) -> str | None:
        """Return the oldest log position that an open window still refers to, or None."""
        return self._windows.oldest_position()

    @property
    def nodes(self) -> Nodes:
        """The triggers in force, to be read."""
        return self._nodes

    @property
    def windows(self) -> OpenWindows:
        """The open windows, to be read."""
        return self._windows

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, automation_id: str) -> bool:
        return automation_id in self._nodes
