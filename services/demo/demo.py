"""Runs the demo: sets the stage, plays the story, tells what happened, and cleans up."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from rich.console import Console

from upshot.services.exceptions import DemoFailed, ServicesError

from . import telling
from .stage import Stage
from .steps import Steps
from .story import play

_WIDTH_WITHOUT_TERMINAL = 140


def run(keep: bool = False) -> int:
    """Run the demo and print it; return the exit code.

    Args:
        keep: leave the service running until Ctrl-C.
    """
    console = _console()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up as Ctrl-C does
    try:
        with _folder() as folder:
            return _run_in(folder, console, keep)
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)


def _console() -> Console:
    console = Console(highlight=False)
    return (
        console if console.is_terminal else Console(highlight=False, width=_WIDTH_WITHOUT_TERMINAL)
    )


@contextmanager
def _folder() -> Iterator[Path]:
    """Lend a folder whose path is short, as that of a Unix socket in it has to be."""
    folder = Path(tempfile.mkdtemp(prefix="upshot-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_in(folder: Path, console: Console, keep: bool) -> int:
    started = time.monotonic()
    stage = Stage(folder)
    try:
        with stage:
            steps = Steps(console)
            with steps.step("a whole service starts: store, engine, dispatcher, worker, API"):
                stage.service.start()
            outcome = play(stage, steps)
            telling.tell(console, outcome, time.monotonic() - started)
            _leave(console, stage, keep)
    except (ServicesError, requests.RequestException) as error:
        telling.tell_failure(console, str(error), stage.service.last_lines())
        return 1
    return 0


def _leave(console: Console, stage: Stage, keep: bool) -> None:
    telling.tell_address(console, stage, keep)
    if not keep:
        return
    try:
        while stage.service.wait(1.0) is None:
            pass
    except KeyboardInterrupt:
        console.print("stopping …")
        return
    raise DemoFailed("the service ended by itself")
