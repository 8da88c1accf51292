"""The rehearsal: a flow that runs without a store, and leaves nothing behind."""

from __future__ import annotations

import logging
import signal
import threading

import pytest

from upshot.flows.flowruns import rehearsal


def test_a_rehearsal_executes_a_flow_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[object] = []

    def note(store: object, function: str, *arguments: object) -> list[int]:
        entered.append(arguments[3])
        return [1, 1]

    monkeypatch.setattr(rehearsal._Agreeing, "call", note)
    rehearsal.rehearse()
    assert entered
    assert entered == ["Running", "Completed"] * (len(entered) // 2)


def test_a_rehearsal_leaves_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    before = (threading.active_count(), signal.getsignal(signal.SIGTERM), logging.root.handlers[:])
    rehearsal.rehearse()
    after = (threading.active_count(), signal.getsignal(signal.SIGTERM), logging.root.handlers[:])
    assert after == before
    assert capsys.readouterr() == ("", "")
