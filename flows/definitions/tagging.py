"""Tags for all runs that are made in a ``with`` block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from ..given import texts
from .checking import check_options

_current: Final[ContextVar[tuple[str, ...]]] = ContextVar("upshot_tags", default=())


@contextmanager
def tags(*names: str) -> Iterator[set[str]]:
    """Give each flow run and task run that is made in the block these tags as well.

    Args:
        names: the tags. Blocks in blocks add up.

    Raises:
        WrongArgument: one is no text, or too long, or there are too many.
    """
    both = tuple(sorted({*_current.get(), *texts("tags", names)}))
    check_options({"tags": both})
    token = _current.set(both)
    try:
        yield set(both)
    finally:
        _current.reset(token)


def with_current(own: Iterable[str]) -> tuple[str, ...]:
    """Return the tags of something that is made here and has some of its own."""
    current = _current.get()
    return tuple(sorted({*own, *current})) if current else tuple(own)
