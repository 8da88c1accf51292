"""What callers may give: a wrong argument is an error with its name, what it is and what is wanted.

Nothing is loaded for that: it is asked wherever a flow or task is only written down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from .exceptions import WrongArgument

LONGEST: Final = 1_000_000_000
"""Seconds that a wait, a timeout or a delay may have: what clocks and threads can count to."""
_SHOWN: Final = 80


class Kind(NamedTuple):
    """What an argument may be.

    Attributes:
        wanted: that in words, behind "must be". fits: tells whether a value is that.
    """

    wanted: str
    fits: Callable[[Any], bool]


def require(kind: Kind, /, **given: Any) -> None:
    """Do nothing where each argument is of this kind.

    Raises:
        WrongArgument: naming the first that is not.
    """
    for name, value in given.items():
        if not kind.fits(value):
            raise wrong(name, value, f"must be {kind.wanted}")


def require_each(kinds: Mapping[str, Kind], given: Mapping[str, Any]) -> None:
    """Do nothing where each argument that is given, by name, is of its kind."""
    for name, kind in kinds.items():
        if name in given:
            require(kind, **{name: given[name]})


def wrong(name: str, value: object, rule: str) -> WrongArgument:
    """Return the error of an argument that breaks a rule."""
    return WrongArgument(f"{name}: {rule}, not {shown(value, _SHOWN)}")


def shown(value: object, most: int, show: Callable[[Any], str] = repr) -> str:
    """Return a value as people see it in a message, whatever its own code does."""
    try:
        text = show(value)
    except Exception as error:  # noqa: BLE001 - it may be code of the value's own
        return f"<{type(value).__name__} that can't be shown: {type(error).__name__}>"
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= most else f"{text[:most]}…"


def is_text(value: object) -> bool:
    """Tell whether it is text that can be written: a part of a character is none."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


@cache
def maybe(kind: Kind) -> Kind:
    """Return the kind of what may be None as well."""
    return Kind(f"{kind.wanted} or None", lambda value: value is None or kind.fits(value))


def text(most: int) -> Kind:
    """Return the kind of texts that have a length."""
    wanted = f"a text of 1 to {most:,} characters"
    return Kind(wanted, lambda value: is_text(value) and 0 < len(value) <= most)


def whole(least: int, most: int | None = None) -> Kind:
    """Return the kind of whole numbers in a range."""
    wanted = f"{least:,} or more" if most is None else f"from {least:,} to {most:,}"
    top = LONGEST if most is None else most
    return Kind(
        f"a whole number, {wanted}",
        lambda value: isinstance(value, int) and not _is_flag(value) and least <= value <= top,
    )


def one_of(names: type[StrEnum]) -> Kind:
    """Return the kind of the members of an enumeration, which may be given by their values."""
    values = tuple(str(each) for each in names)
    return Kind(f"one of {', '.join(values)}", lambda value: is_text(value) and value in values)


def texts(name: str, given: object) -> list[str]:
    """Return a list of texts that was given as any iterable of them but a text."""
    return _listed(TEXT, "texts", name, given)


def functions(name: str, given: object) -> list[Callable[..., Any]]:
    """Return a list of functions that was given as any iterable of them."""
    return _listed(FUNCTION, "functions", name, given)


def _listed(kind: Kind, many: str, name: str, given: object) -> list[Any]:
    if isinstance(given, Iterable) and not isinstance(given, str | bytes):
        found = list(given)
        if all(map(kind.fits, found)):
            return found
    raise wrong(name, given, f"must be a list of {many}")


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_within(value: object, least: float) -> bool:
    return isinstance(value, int | float) and not _is_flag(value) and least <= value <= LONGEST


def _seconds_of(value: object) -> object:
    return value.total_seconds() if isinstance(value, timedelta) else value


TEXT: Final = Kind("a text", is_text)
FLAG: Final = Kind("True or False", lambda value: isinstance(value, int) and value in (0, 1))
FUNCTION: Final = Kind("callable", callable)
DICT: Final = Kind("a dict", lambda value: isinstance(value, Mapping))
RUN_ID: Final = Kind(
    "the id of a run, a text or UUID", lambda value: isinstance(value, UUID) or is_text(value)
)
TIME: Final = Kind(
    "a datetime with its timezone",
    lambda value: isinstance(value, datetime) and value.utcoffset() is not None,
)
SECONDS: Final = Kind("a number of seconds, 0 or more", lambda value: _is_within(value, 0))
SPAN: Final = Kind(
    "a number of seconds or a timedelta, 0 or more", lambda value: _is_within(_seconds_of(value), 0)
)
WAIT: Final = Kind("a number of seconds", lambda value: _is_within(value, -LONGEST))
"""How long to wait at most; as what is left until a moment, which may have gone by."""
