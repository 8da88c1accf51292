"""Forms from JSON schemas: their fields, and the values that people typed into them; pure.

What is a number, a choice or a yes becomes a field of that kind; whatever else a schema may say
is typed as JSON. Whether the values fit is for the API to say, which checks them for everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from jsonschema import Draft202012Validator
from pydantic_core import from_json, to_json

from upshot.flows.exceptions import InvalidInput

PREFIX: Final = "field."
"""Before the names of fields in what a browser sends: so none is mistaken for one of ours."""

_KINDS: Final = {
    "string": "text",
    "integer": "number",
    "number": "number",
    "boolean": "checkbox",
}
_INPUTS: Final = {"date": "date", "email": "email", "uri": "url", "password": "password"}
_DEEPEST: Final = 8


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form.

    Attributes:
        name: as the schema has it; empty where the form asks for one value only.
        title, description: for people.
        kind: ``text``, ``number``, ``checkbox``, ``select``, ``json`` or a kind of input.
        value: what stands in it, as text. options: what can be chosen, by its text.
        required: it must be given. nullable: empty means null. default: it has one.
        wrong: what is wrong with what was typed.
    """

    name: str
    title: str
    description: str = ""
    kind: str = "json"
    value: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    required: bool = False
    nullable: bool = False
    default: bool = False
    wrong: str = ""

    @property
    def key(self) -> str:
        """Its name in what a browser sends."""
        return PREFIX + self.name


def fields_of(schema: Mapping[str, Any] | None) -> list[Field]:
    """Return the fields that a JSON schema asks for; none where there is no schema."""
    if schema is None:
        return []
    if not _is_schema(schema):
        return [Field("", "value", required=True)]
    whole = _resolved(schema, schema)
    if whole.get("type") != "object" or "properties" not in whole:
        title = str(whole.get("title", "value"))
        return [_field("", {"title": title, **whole}, schema, required="default" not in whole)]
    needed = whole.get("required", ())
    return [
        _field(name, each, schema, required=name in needed)
        for name, each in whole["properties"].items()
    ]


def _is_schema(part: Any) -> bool:
    return Draft202012Validator(Draft202012Validator.META_SCHEMA).is_valid(part)


def fields_for(values: Mapping[str, Any]) -> list[Field]:
    """Return a field for each value, of the kind of the value."""
    return [
        _field(name, {"type": _type_of(value), "default": value}, {}, required=False)
        for name, value in values.items()
    ]


def _type_of(value: object) -> str | None:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return kinds.get(type(value))


def _field(name: str, part: Any, root: Mapping[str, Any], *, required: bool) -> Field:
    found = _resolved(part, root)
    bare = _without_null(found.get("anyOf") or found.get("oneOf") or (), root)
    nullable, found = bare is not None, {**(bare or {}), **found}
    choices = [found["const"]] if "const" in found else found.get("enum", [])
    kind = "select" if choices else _kind(found)
    if kind == "checkbox" and nullable:  # which can't say that it is neither
        kind, choices = "select", [True, False]
    return Field(
        name,
        title=str(found.get("title") or name),
        description=str(found.get("description", "")),
        kind=kind,
        value=_shown(found.get("default"), kind),
        options={_text(choice): choice for choice in choices},
        required=required,
        nullable=nullable,
        default="default" in found,
    )


def _without_null(parts: Sequence[Any], root: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the one thing that it may be besides null, if that is all."""
    known = [_resolved(each, root) for each in parts]
    others = [each for each in known if each.get("type") != "null"]
    return others[0] if len(others) == 1 and len(known) == 2 else None


def _resolved(part: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part of a schema with what it refers to in its place."""
    found: dict[str, Any] = dict(part) if isinstance(part, Mapping) else {}
    for _ in range(_DEEPEST):
        (alone,) = found["allOf"] if len(found.get("allOf", ())) == 1 else ({},)
        inner = alone.get("$ref", "") if isinstance(alone, Mapping) else ""
        place = found.pop("$ref", inner)
        if not place:
            break
        found.pop("allOf", None)
        target: Any = root
        for step in place.removeprefix("#/").split("/"):
            target = target.get(step, {}) if isinstance(target, Mapping) else {}
        # A place may be anywhere, also where no schema has to stand.
        found = {**target, **found} if isinstance(target, Mapping) and _is_schema(target) else found
    return found


def _kind(found: Mapping[str, Any]) -> str:
    kind = _KINDS.get(str(found.get("type")), "json")
    return _INPUTS.get(str(found.get("format")), kind) if kind == "text" else kind


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()


def _shown(value: Any, kind: str) -> str:
    """Return how a default stands in a field."""
    if value is None and kind != "json":
        return ""
    if kind == "json":
        return "" if value is None else to_json(value, indent=1).decode()
    return _text(value)


def read(fields: Iterable[Field], sent: Mapping[str, str]) -> dict[str, Any]:
    """Return the values that a form was sent with, by field.

    Raises:
        InvalidInput: naming each field that holds no number, or no JSON.
    """
    values: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    for each in fields:
        try:
            given, value = _read(each, sent.get(each.key))
        except ValueError as error:
            wrong.append((each.name, str(error)))
        else:
            values |= {each.name: value} if given else {}
    if wrong:
        raise InvalidInput(wrong)
    return values


def _read(asked: Field, text: str | None) -> tuple[bool, Any]:
    """Return whether a field is given, and its value."""
    if asked.kind == "checkbox":
        return True, text is not None
    if text is None or not text.strip():
        return _read_empty(asked, text)
    if asked.kind == "number":
        return True, _parsed(text, "must be a number")
    if asked.kind == "json":
        return True, _parsed(text, "must be JSON")
    if asked.kind == "select":
        return True, asked.options.get(text, text)
    return True, text


def _read_empty(asked: Field, text: str | None) -> tuple[bool, Any]:
    if asked.nullable and text is not None:
        return True, None
    # Who empties a text that was filled in means the empty text.
    return asked.kind == "text" and text is not None and (asked.required or asked.default), text


def _parsed(text: str, otherwise: str) -> Any:
    try:
        return from_json(text.strip(), allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(otherwise) from error


def again(
    fields: Iterable[Field], sent: Mapping[str, str], problem: Mapping[str, Any] | None
) -> list[Field]:
    """Return the fields as they were sent, each with what the API found wrong with it."""
    errors = (problem or {}).get("errors", ())
    wrong = {_named(each["field"]): str(each["message"]) for each in errors if "field" in each}
    return [
        replace(each, value=_typed(each, sent), wrong=wrong.get(each.name, "")) for each in fields
    ]


def _named(place: str) -> str:
    """Return the field of a form in which a wrong value is: ``input.address.street``."""
    first, _, rest = place.partition(".")
    return (rest if first in ("input", "parameters") else place).partition(".")[0]


def _typed(asked: Field, sent: Mapping[str, str]) -> str:
    if asked.kind == "checkbox":
        return "true" if asked.key in sent else "false"
    return sent.get(asked.key, asked.value)
