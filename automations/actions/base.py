"""What every kind of action shares: its options, and the one-key mapping it is written as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from upshot.events.durations import Duration

from ..expressions.expression import ActionExpression
from ..templates.budget import DEADLINE, Deadline
from ..templates.template import require_bounded

Variables = Mapping[str, Any]
"""What templates see: ``event events firing automation flow_run deployment variables``."""


@dataclass(slots=True, frozen=True)
class Request:
    """An action with everything filled in, ready to be carried out.

    Attributes:
        type: the kind of action.
        arguments: plain JSON data; which keys there are, the kind's ``render`` says.
    """

    type: str
    arguments: dict[str, Any]


class BaseAction(BaseModel):
    """The options that every action has, next to its own.

    Attributes:
        retries: how often it is tried again after a failure that may pass.
        retry_delay: how long the first retry waits; each further one waits twice as long.
        timeout: how long one try may take.
        condition: written ``if``: CEL over the same names as templates; false skips the action.
        on_error: whether the actions after this one are still carried out when it fails.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True)
    type: ClassVar[str]

    retries: int = Field(default=3, ge=0, le=100)
    retry_delay: Duration = timedelta(seconds=1)
    timeout: Duration = timedelta(seconds=30)
    condition: ActionExpression | None = Field(default=None, alias="if")
    on_error: Literal["stop", "continue"] = "continue"

    def render(self, variables: Variables) -> Request:
        """Fill the templates in.

        Raises:
            TemplateFailed: something in them is missing, or comes out wrong.
        """
        # One deadline for all of its templates: there may be hundreds.
        arguments = self.arguments({**variables, DEADLINE: Deadline()})
        require_bounded(arguments)
        return Request(self.type, arguments)

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return the request's arguments; each kind of action says what they are."""
        raise NotImplementedError

    def told(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return what the record of a firing shows of the request's arguments: no secrets."""
        return arguments

    @field_validator("timeout")
    @classmethod
    def _some_time(cls, timeout: timedelta) -> timedelta:
        if not timedelta(0) < timeout <= timedelta(hours=1):
            raise ValueError("a timeout must be longer than 0 and at most 1h")
        return timeout

    @model_validator(mode="before")
    @classmethod
    def _unwrapped(cls, value: Any) -> Any:
        if isinstance(value, dict) and list(value) == [cls.type]:
            return value[cls.type] or {}
        return value

    @model_serializer(mode="wrap")
    def _wrapped(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        options = handler(self)
        if "condition" in options:
            options["if"] = options.pop("condition")
        return {self.type: options}
