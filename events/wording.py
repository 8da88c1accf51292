"""Puts what pydantic finds wrong into words for the person who wrote it."""

from __future__ import annotations

import re
from typing import Final

from pydantic_core import ErrorDetails

_WORDS: Final = {
    "missing": "is required",
    "extra_forbidden": "unknown key",
    "dict_type": "a mapping is expected",
    "model_type": "a mapping is expected",
    "model_attributes_type": "a mapping is expected",
    "list_type": "a list is expected",
    "tuple_type": "a list is expected",
    "string_type": "text is expected; put it in quotes",
    "bool_type": "true or false is expected",
    "bool_parsing": "true or false is expected",
    "int_parsing": "a whole number is expected",
    "int_type": "a whole number is expected",
    "too_short": "must not be empty",
}


def in_words(problem: ErrorDetails) -> str:
    """Return what is wrong with a field, as ``ValidationError.errors()`` gives it."""
    if problem["type"] == "string_pattern_mismatch":
        return _shape(problem)
    return _WORDS.get(problem["type"]) or _uncapitalized(problem["msg"])


def _shape(problem: ErrorDetails) -> str:
    pattern, written = problem.get("ctx", {})["pattern"], problem.get("input")
    if isinstance(written, str) and re.search(pattern, written.lower()):
        return f"must be lower case: '{written.lower()}'"
    return f"does not fit the pattern {pattern}"


def _uncapitalized(message: str) -> str:
    message = message.removeprefix("Value error, ")
    first = message.partition(" ")[0]
    return message[:1].lower() + message[1:] if first.istitle() else message
