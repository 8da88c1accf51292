"""The emit-event action: appends an event to the log."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, TypeAdapter, ValidationError, field_validator

from upshot.events.event import EventName, Resource, describe, impostor
from upshot.events.finite import NOT_FINITE, not_finite

from ..exceptions import TemplateFailed
from ..templates.data import TemplateData, render_data
from ..templates.template import Template
from .base import BaseAction, Variables

_NAME = TypeAdapter[str](EventName)
_RESOURCE = TypeAdapter[dict[str, str]](Resource)


class EmitEvent(BaseAction):
    """Appends an event, which the firing's event caused.

    Attributes:
        event: its name.
        resource: its labels; by default the automation.
        related: labels of related resources.
        payload: any data.
    """

    type: ClassVar[str] = "emit-event"

    event: Template
    resource: dict[str, Template] | None = None
    related: list[dict[str, Template]] = Field(default_factory=list, max_length=64)
    payload: dict[str, TemplateData] = Field(default_factory=dict)

    @field_validator("event")
    @classmethod
    def _of_users(cls, event: Template) -> Template:
        if event.is_plain and (why := impostor(event.source.strip(), "")):
            raise ValueError(why)
        return event

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return ``event``, ``resource``, ``related`` and ``payload``."""
        try:
            return {
                "event": _NAME.validate_python(self.event.render_text(variables).strip()),
                "resource": self._resource(variables),
                "related": [_labels(each, variables) for each in self.related],
                "payload": self._payload(variables),
            }
        except ValidationError as error:
            raise TemplateFailed(f"the event comes out wrong: {describe(error)}") from error

    def _payload(self, variables: Variables) -> Any:
        payload = render_data(self.payload, variables)
        if (way := not_finite(payload)) is not None:
            raise TemplateFailed(f"the event comes out wrong: payload.{way}: {NOT_FINITE}")
        return payload

    def _resource(self, variables: Variables) -> dict[str, str]:
        if self.resource is not None:
            return _labels(self.resource, variables)
        automation = variables.get("automation") or {}
        return {"id": f"automation.{automation['id']}", "name": str(automation["name"])}


def _labels(labels: dict[str, Template], variables: Variables) -> dict[str, str]:
    rendered = {name: template.render_text(variables) for name, template in labels.items()}
    return _RESOURCE.validate_python(rendered)
