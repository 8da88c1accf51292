"""Checks parameters against the JSON schema that is known of a flow: as pydantic takes them; pure.

Only what is certain is wrong: numbers may be texts, dates numbers. The rest is left to the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, Final, TypeAlias

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

Wrong: TypeAlias = tuple[str, str]
"""A field, and what is wrong with it."""

MOST_TOLD: Final = 20
_LOCAL: Final = "#/$defs/"
_ADAPTERS: Final[Mapping[str, TypeAdapter[Any]]] = {
    "integer": TypeAdapter(int),
    "number": TypeAdapter(float),
    "boolean": TypeAdapter(bool),
}
_PLAIN: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "array": list,
    "object": dict,
    "null": type(None),
}
_WORDS: Final = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "string": "a text",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def problems(schema: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[Wrong]:
    """Return what is wrong with parameters, by field: ``parameters.order``; none where all fits.

    Args:
        schema: as ``schema_of`` makes it. parameters: JSON by name, the deployment's own included.
    """
    from referencing.exceptions import Unresolvable

    try:
        found = list(islice(_validator()(schema).iter_errors(dict(parameters)), MOST_TOLD))
    except (RecursionError, Unresolvable):  # the run will tell
        return []
    return [(".".join(["parameters", *map(str, e.absolute_path)]), e.message) for e in found]


def within_itself(schema: Any) -> bool:
    """Tell whether a schema refers to nothing but its own parts."""
    if isinstance(schema, dict):
        place = schema.get("$ref")
        if isinstance(place, str) and not place.startswith(_LOCAL):
            return False
        return all(within_itself(each) for each in schema.values())
    return not isinstance(schema, list) or all(within_itself(each) for each in schema)


def is_schema(schema: Any) -> bool:
    """Tell whether something is a JSON schema."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(Draft202012Validator.META_SCHEMA).is_valid(schema)


@cache
def _validator() -> Callable[[Mapping[str, Any]], Any]:
    """Return what makes validators, loaded when parameters are first checked."""
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry

    ready = Draft202012Validator.VALIDATORS
    kept = ("$ref", "allOf", "properties", "prefixItems", "items")
    known = {name: ready[name] for name in kept}
    kind = validators.create(
        meta_schema=Draft202012Validator.META_SCHEMA,
        validators={**known, **_OWN},
        type_checker=Draft202012Validator.TYPE_CHECKER,
    )
    # The registry is empty, so that a schema can make nobody fetch anything.
    return lambda schema: kind(schema, registry=Registry())


def _error(message: str, *path: str) -> Any:
    from jsonschema import ValidationError as Mismatch

    return Mismatch(message, path=path)


def _type(_: Any, wanted: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    kinds = [wanted] if isinstance(wanted, str) else list(wanted)
    if not any(_takes(kind, value, schema) for kind in kinds):
        yield _error(f"must be {' or '.join(_WORDS.get(kind, kind) for kind in kinds)}")


def _takes(kind: str, value: Any, schema: Mapping[str, Any]) -> bool:
    if kind in _ADAPTERS:
        return _converts(kind, value)
    if kind == "string" and "format" in schema:  # times, addresses: some can be numbers as well
        return not isinstance(value, dict | list | None)
    return isinstance(value, _PLAIN.get(kind, object))


def _converts(kind: str, value: Any) -> bool:
    try:
        _ADAPTERS[kind].validate_python(value)
    except ValidationError:
        return False
    return True


def _any_of(validator: Any, parts: Any, value: Any, _: Any) -> Iterator[Any]:
    told: list[Any] = []
    for part in parts:
        found = list(validator.descend(value, part))
        if not found:
            return
        told.append(found)
    deepest = [found for found in told if all(error.path for error in found)]
    if len(deepest) == 1:  # the only one of the right kind
        yield from deepest[0]
        return
    words = dict.fromkeys(error.message for found in told for error in found if not error.path)
    yield _error(", or ".join(words) or "fits none of what it may be")


def _enum(_: Any, choices: Any, value: Any, __: Any) -> Iterator[Any]:
    if not any(_same(choice, value) for choice in choices):
        shown = ", ".join(to_json(choice).decode() for choice in choices[:MOST_TOLD])
        yield _error(f"must be one of {shown}")


def _const(_: Any, wanted: Any, value: Any, __: Any) -> Iterator[Any]:
    return _enum(_, [wanted], value, __)


def _same(choice: Any, value: Any) -> bool:
    """Tell whether a value may stand for a choice, as ``"2"`` does for 2."""
    if choice == value or str(choice) == str(value):
        return True
    if isinstance(choice, str) or not (_converts("number", choice) and _converts("number", value)):
        return False
    number = _ADAPTERS["number"].validate_python
    return bool(number(choice) == number(value))


def _required(_: Any, names: Any, value: Any, __: Any) -> Iterator[Any]:
    for name in names if isinstance(value, dict) else ():
        if name not in value:
            yield _error("missing", name)


def _additional(
    validator: Any, allowed: Any, value: Any, schema: Mapping[str, Any]
) -> Iterator[Any]:
    if not isinstance(value, dict) or "patternProperties" in schema:
        return
    known = schema.get("properties", {})
    for name in value.keys() - known.keys():
        if allowed is False:
            yield _error(f"unknown; it takes {', '.join(known) or 'none'}", name)
        elif isinstance(allowed, dict):
            yield from validator.descend(value[name], allowed, path=name)


def _bound(words: str, holds: Callable[[Any, Any], bool]) -> Callable[..., Iterator[Any]]:
    def check(_: Any, bound: Any, value: Any, __: Any) -> Iterator[Any]:
        if isinstance(value, int | float) and not holds(value, bound):
            yield _error(f"must be {words} {bound}")

    return check


def _fewest(_: Any, least: int, value: Any, __: Any) -> Iterator[Any]:
    if isinstance(value, list) and len(value) < least:
        yield _error(f"must have at least {least} items")


def _most(_: Any, most: int, value: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    # In a set, several may be one.
    if isinstance(value, list) and len(value) > most and not schema.get("uniqueItems"):
        yield _error(f"must have at most {most} items")


_OWN: Final[Mapping[str, Callable[..., Iterator[Any]]]] = {
    "type": _type,
    "anyOf": _any_of,
    "oneOf": _any_of,  # several may fit what is taken so generously
    "enum": _enum,
    "const": _const,
    "required": _required,
    "additionalProperties": _additional,
    "minimum": _bound("at least", lambda value, bound: value >= bound),
    "maximum": _bound("at most", lambda value, bound: value <= bound),
    "exclusiveMinimum": _bound("more than", lambda value, bound: value > bound),
    "exclusiveMaximum": _bound("less than", lambda value, bound: value < bound),
    "minItems": _fewest,
    "maxItems": _most,
}
