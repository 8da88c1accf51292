"""Makes the JSON schema of a flow's parameters, which never says more than the flow itself would.

Whatever takes more than its schema could tell (code of a type's own, aliases) may be anything.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

from pydantic import ConfigDict, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import PydanticSerializationError, from_json, to_json

from ..amount import holds_too_many
from .known import is_kept

if TYPE_CHECKING:
    from ..definitions.flowdef import Flow

Schema = dict[str, Any]

_MODE: Final[JsonSchemaMode] = "validation"
_P = inspect.Parameter


def schema_of(flow: Flow[..., Any]) -> Schema:
    """Return the JSON schema of an object that holds a flow's parameters by name.

    One that is too large, or refers to something else, has the names only.
    """
    parameters = inspect.signature(flow.fn).parameters
    hints = _hints(flow.fn) if flow.validate_parameters else {}
    named = {
        name: each
        for name, each in parameters.items()
        if each.kind in (_P.POSITIONAL_OR_KEYWORD, _P.KEYWORD_ONLY)
    }
    types, shared = _types({name: hints[name] for name in named if name in hints})
    schema: Schema = {
        "type": "object",
        "properties": {name: _property(each, types.get(name)) for name, each in named.items()},
        "required": [name for name, each in named.items() if _is_required(each)],
        "additionalProperties": any(each.kind is _P.VAR_KEYWORD for each in parameters.values()),
    }
    if shared:
        schema["$defs"] = shared
    if not is_kept(schema):
        schema.pop("$defs", None)
        schema["properties"] = {name: {} for name in named}
    return schema


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotated types; none where one of them can't be understood."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001 - annotations are code of the user's own
        return {}
    for name, parameter in inspect.signature(function).parameters.items():
        if isinstance(parameter.default, FieldInfo):
            hints[name] = Annotated[hints.get(name, Any), parameter.default]
    return hints


def _types(hints: Mapping[str, Any]) -> tuple[dict[str, Schema], Schema]:
    """Return the schemas of types by name, and what they share."""
    known = {name: made for name, hint in hints.items() if (made := _adapter(hint)) is not None}
    inputs: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]]
    inputs = [(name, _MODE, adapter) for name, adapter in known.items()]
    try:
        found, whole = TypeAdapter.json_schemas(inputs, schema_generator=_Cautious)
    except Exception:  # noqa: BLE001 - likewise
        return {}, {}
    return {name: dict(each) for (name, _), each in found.items()}, whole.get("$defs", {})


def _adapter(hint: Any) -> TypeAdapter[Any] | None:
    for config in (ConfigDict(arbitrary_types_allowed=True), None):  # models have their own
        try:
            made: TypeAdapter[Any] = TypeAdapter(hint, config=config)
            made.json_schema(schema_generator=_Cautious, mode=_MODE)
        except Exception:  # noqa: BLE001, S112 - code of the type's own, too; then it is anything
            continue
        return made
    return None


def _is_required(parameter: inspect.Parameter) -> bool:
    if isinstance(parameter.default, FieldInfo):
        return parameter.default.is_required()
    return parameter.default is _P.empty


def _property(parameter: inspect.Parameter, found: Schema | None) -> Schema:
    """Return the schema of one parameter, with its default where that can be told."""
    schema, default = dict(found or {}), parameter.default
    schema.pop("title", None)
    if default is _P.empty or isinstance(default, FieldInfo) or schema.get("writeOnly"):
        return schema
    if default is None and "anyOf" not in schema and "type" in schema:
        return schema  # what nobody may give, and only means that nothing was given
    if holds_too_many(default):
        return schema
    try:
        return {**schema, "default": from_json(to_json(default))}
    except (PydanticSerializationError, ValueError, RecursionError):
        return schema


_OWN_CODE: Final = frozenset({"function-before", "function-wrap", "function-plain"})
_FOR_PEOPLE: Final = frozenset({"title", "description", "examples", "deprecated", "writeOnly"})


class _Cautious(GenerateJsonSchema):
    """Makes schemas of which each takes at least what its type takes."""

    def emit_warning(self, kind: Any, detail: str) -> None:
        """Say nothing: what can't be told is left out."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Schema:
        return {}

    def generate_inner(self, schema: Any) -> Schema:
        """Return the schema of a part; of one with code of its own only what is told for people.

        Such a part may say itself what it takes, and yet take more: a text to import, or an object.
        """
        made = super().generate_inner(schema)
        if schema["type"] not in _OWN_CODE:
            return made
        return {name: each for name, each in made.items() if name in _FOR_PEOPLE}

    def _anything(self, schema: Any) -> Schema:
        return {}

    function_before_schema = _anything
    function_wrap_schema = _anything
    function_plain_schema = _anything
    generator_schema = _anything
    call_schema = _anything
    named_tuple_schema = _anything
    complex_schema = _anything
    custom_error_schema = _anything

    def enum_schema(self, schema: Any) -> Schema:
        return {} if schema.get("missing") else super().enum_schema(schema)

    def model_schema(self, schema: Any) -> Schema:
        if schema.get("custom_init") or _takes_more(schema):
            return {}
        return super().model_schema(schema)

    def dataclass_schema(self, schema: Any) -> Schema:
        return {} if _takes_more(schema) else super().dataclass_schema(schema)

    def typed_dict_schema(self, schema: Any) -> Schema:
        return {} if _takes_more(schema) else super().typed_dict_schema(schema)


_OTHER_WAYS: Final = ("coerce_numbers_to_str", "validate_by_name", "populate_by_name")


def _takes_more(schema: Any) -> bool:
    """Tell whether a model takes names or values that its schema would not show."""
    config = schema.get("config") or {}
    return any(config.get(way) for way in _OTHER_WAYS) or any(_aliases(schema))


def _aliases(schema: Any) -> Iterator[bool]:
    """Yield, of each field of a model, whether it has another name."""
    inner = schema.get("schema") or schema
    while "fields" not in inner and isinstance(inner.get("schema"), dict):
        inner = inner["schema"]
    fields = inner.get("fields") or {}
    for field in fields.values() if isinstance(fields, dict) else fields:
        yield field.get("validation_alias") is not None
