"""JSON Schemas of what people write, for editors: completion, hover texts, wrong keys at once.

They describe YAML as it may be written: a duration is text or a number of seconds, one name may
stand for a list of one, and an action is a mapping with one key.
"""

from __future__ import annotations

import inspect
import re
from datetime import timedelta
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from upshot.events.durations import format_duration

from ..actions import BaseAction
from ..definition import Automation
from .declarations import Deployment, Limit, Receiver, Variable, Webhook, WorkPool
from .loading import Definitions

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_KINDS: Final[dict[str, type[BaseModel]]] = {
    "file": Definitions,
    "automation": Automation,
    "deployment": Deployment,
    "limit": Limit,
    "work-pool": WorkPool,
    "receiver": Receiver,
    "variable": Variable,
    "webhook": Webhook,
}
KINDS: Final = tuple(_KINDS)
"""What there is a schema for: a whole file, or one definition of a kind."""

_ONE_OR_MANY: Final = "x-one-or-many"
_OF_LISTS: Final = ("type", "items", "minItems", "maxItems")
_ATTRIBUTE: Final = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)


def schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a whole file, or of one definition.

    Args:
        kind: one of ``KINDS``.
    """
    model = _KINDS[kind]
    body = _opened(model.model_json_schema(schema_generator=_Generator))
    return {"$schema": DIALECT, "$id": f"urn:upshot:schema:{kind}", **body}


class _Generator(GenerateJsonSchema):
    """Makes schemas of what may be written, rather than of what it becomes."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Describe a model and its fields by its docstring; ``type`` is optional for events."""
        model: type[BaseModel] = schema["cls"]
        made = super().model_schema(schema)
        made["description"] = _summary(model)
        texts = _attributes(model)
        for name, field in model.model_fields.items():
            described = made.get("properties", {}).get(field.alias or name)
            if described is not None and name in texts:
                described["description"] = texts[name]
        kind = made.get("properties", {}).get("type", {}).get("const")
        if kind not in (None, "event"):
            made["required"] = ["type", *made.get("required", [])]
        return made

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """Write the union of the kinds of actions as the mapping with one key that it is."""
        made = super().tagged_union_schema(schema)
        if not all(kind in _ACTIONS for kind in schema["choices"]):
            return made
        options = {
            str(kind): self.generate_inner(choice) for kind, choice in schema["choices"].items()
        }
        return {
            "type": "object",
            "description": "One action: its kind, with its options.",
            "properties": {kind: _with_nothing(each) for kind, each in sorted(options.items())},
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
        }

    def function_before_schema(
        self, schema: core_schema.BeforeValidatorFunctionSchema
    ) -> JsonSchemaValue:
        """Let one value stand for a list of it, where the validator does."""
        made = super().function_before_schema(schema)
        function: Any = schema["function"]["function"]
        if function.__name__ == "_as_list":
            made[_ONE_OR_MANY] = True
        return made


def _opened(made: Any) -> Any:
    """Let one item stand for the list, wherever that was marked."""
    if isinstance(made, list):
        return [_opened(each) for each in made]
    if not isinstance(made, dict):
        return made
    made = {key: _opened(each) for key, each in made.items()}
    if not made.pop(_ONE_OR_MANY, False):
        return made
    listed = {key: made.pop(key) for key in _OF_LISTS if key in made}
    return {"anyOf": [listed["items"], listed], **made}


def _all_below(model: type[BaseModel]) -> set[str]:
    return {
        kind
        for below in model.__subclasses__()
        for kind in ({getattr(below, "type", "")} | _all_below(below))
    }


_ACTIONS: Final = frozenset(_all_below(BaseAction))


def _with_nothing(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Let the options of an action be left out."""
    return {"anyOf": [schema, {"type": "null"}]}


def _summary(model: type[BaseModel]) -> str:
    text = inspect.getdoc(model) or ""
    return _plain(re.split(r"\n(?:Attributes|Args|Raises):", text)[0])


def _attributes(model: type[BaseModel]) -> dict[str, str]:
    """Return what the docstrings of a model and its bases say of each field."""
    texts: dict[str, str] = {}
    for each in reversed(model.__mro__):
        own = inspect.cleandoc(each.__dict__.get("__doc__") or "")
        _, found, listed = own.partition("Attributes:\n")
        if found:
            texts.update({name: _plain(text) for name, text in _ATTRIBUTE.findall(listed)})
    return texts


def _plain(text: str) -> str:
    return " ".join(text.replace("``", "`").split())
