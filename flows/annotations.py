"""Annotations of arguments: how the machinery is to treat what a call is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Annotation(Generic[T]):
    """An argument with a word on how to treat it.

    Args:
        value: what the function gets, or what leads to it.
    """

    value: T

    def unwrap(self) -> Any:
        """Return the value; of annotations in annotations the innermost."""
        return self.value.unwrap() if isinstance(self.value, Annotation) else self.value


class unmapped(Annotation[T]):
    """Keeps an iterable parameter of ``map`` whole: each call gets it as it is."""


class allow_failure(Annotation[T]):
    """Lets a call run though this future failed; the function then gets the exception."""


class quote(Annotation[T]):
    """Lets a large value be passed as it is, without a look for futures in it."""
