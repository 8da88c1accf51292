"""Shows how the demo gets on, and waits for what should happen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.markup import escape

from upshot.services.exceptions import DemoFailed

T = TypeVar("T")

_POLL = 0.05  # seconds


class Steps:
    """One line for each step done; on a terminal, also what is going on now.

    Args:
        console: where they are shown.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show that a step goes on, and how long it took once it is done."""
        started = time.monotonic()
        with self._console.status(f"{escape(text)} …"):
            yield
        took = time.monotonic() - started
        self._console.print(f"[green]ok[/] {escape(text)} [dim]({took:.1f} s)[/]")


def until(what: str, look: Callable[[], T | None], seconds: float = 30.0) -> T:
    """Look again and again until there is something; return it.

    Args:
        what: what should happen, for the error. look: returns None as long as it has not.
        seconds: how long it may take.

    Raises:
        DemoFailed: it did not happen.
    """
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise DemoFailed(f"{what}: that did not happen within {seconds:.0f} s")
        time.sleep(_POLL)
    return found


def require(true: bool, otherwise: str) -> None:
    """Raise DemoFailed with this message unless something holds."""
    if not true:
        raise DemoFailed(otherwise)
