"""Checks input against the JSON schema of what a run asks for: as far as a schema can say it.

A run's model has the last word and asks again, so what can't be judged here is let through.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from pydantic_core import SchemaError, SchemaValidator, core_schema
from pydantic_core import ValidationError as Mismatch
from referencing import Registry
from referencing.exceptions import Unresolvable

log = logging.getLogger(__name__)

_LONGEST: Final = 500


def mismatches(schema: dict[str, Any], given: Any) -> Iterator[tuple[str, str]]:
    """Yield the place of each thing that does not fit, and what is wrong with it."""
    for error in _found(schema, given):
        place = ["input", *map(str, error.absolute_path)]
        if error.validator == "required":
            needed: Any = error.validator_value
            place += [name for name in needed if repr(name) in error.message][:1]
        yield ".".join(place), error.message[:_LONGEST]


def _found(schema: dict[str, Any], given: Any) -> list[ValidationError]:
    try:
        # Not `check_schema`, which wants patterns to be Python's.
        Draft202012Validator(Draft202012Validator.META_SCHEMA).validate(schema)
        # The registry is empty, so that a schema can make nobody fetch anything.
        return list(_Validator(schema, registry=Registry()).iter_errors(given))
    except (ValidationError, Unresolvable, RecursionError, ArithmeticError) as error:
        log.warning("input is left to the run: its schema can't be used: %.500s", error)
        return []


def _pattern(_: Any, pattern: str, given: Any, __: Any) -> Iterator[ValidationError]:
    """Match as models do: in their dialect, and in a time that grows with the text only."""
    if not isinstance(given, str):
        return
    try:
        SchemaValidator(core_schema.str_schema(pattern=pattern)).validate_python(given)
    except Mismatch:
        yield ValidationError(f"{given!r} does not match {pattern!r}")
    except SchemaError as error:
        log.debug("input is left to the run: pattern %.500r: %.500s", pattern, error)


def _additional(
    validator: Any, allowed: Any, given: Any, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    if "patternProperties" not in schema:
        yield from Draft202012Validator.VALIDATORS["additionalProperties"](
            validator, allowed, given, schema
        )


def _unjudged(*_: Any) -> Iterator[ValidationError]:
    """Leave to the model what only Python's patterns, which can take for ever, would tell."""
    yield from ()


_Validator: Final = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "pattern": _pattern,
        "patternProperties": _unjudged,
        "additionalProperties": _additional,
        "unevaluatedProperties": _unjudged,
    },
)
