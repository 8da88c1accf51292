"""``Automation`` for Python programs: the fields of a file, kept in the service when saved."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from upshot.automations.definition import Automation as Definition
from upshot.automations.exceptions import InvalidDefinition
from upshot.automations.files.problems import in_words

from .exceptions import RequestRefused

if TYPE_CHECKING:
    from .client import Client

_SHOWN_ONLY = ("id", "version", "paused")


class Automation(Definition):
    """When this happens, do that: the same fields as in a file, as keywords.

    Where a model is expected, what YAML would say works as well::

        Automation(
            name="tell-us",
            trigger={"expect": ["flow-run.failed"]},
            actions=[{"notify": {"to": "oncall", "title": "{{ event.resource.name }} failed"}}],
        ).save()

    It is kept by the service at ``UPSHOT_URL``, or that of a ``client`` given.

    Raises:
        InvalidDefinition: with a line for each wrong field.
    """

    # What pydantic accepts for a field is more than what the field then holds.
    def __init__(self, *, name: str, trigger: Any, actions: Any, **fields: Any) -> None:
        try:
            super().__init__(name=name, trigger=trigger, actions=actions, **fields)
        except ValidationError as error:
            raise InvalidDefinition(list(map(_line, error.errors(include_url=False)))) from error

    def save(self, client: Client | None = None) -> str:
        """Keep it under its name; return ``created``, ``updated`` or ``unchanged``.

        What may be wrong with it becomes a Python warning.

        Raises:
            ServerUnreachable: no service answers.
            RequestRefused: the service does not accept it.
        """
        body = self.model_dump(mode="json", by_alias=True)
        answer = (client or _client()).post("/apply", {"automations": [body]})
        (change,) = answer["changes"]
        for each in answer.get("warnings", ()):
            warnings.warn(f"{each['name']}: {each['field']}: {each['message']}", stacklevel=2)
        return str(change["change"])

    @classmethod
    def load(cls, name: str, client: Client | None = None) -> Self:
        """Return the automation of this name as the service has it.

        Raises:
            RequestRefused: there is none.
        """
        found = (client or _client()).get(_path(name))
        return cls.model_validate({k: v for k, v in found.items() if k not in _SHOWN_ONLY})

    def delete(self, client: Client | None = None) -> None:
        """Delete the automation of this name from the service; it may be gone already."""
        try:
            (client or _client()).delete(_path(self.name))
        except RequestRefused as refused:
            if refused.status != 404:
                raise


def _line(problem: ErrorDetails) -> str:
    field = ".".join(str(step) for step in problem["loc"] if not str(step).startswith("type="))
    return f"{field}: {in_words(problem, Definition)}"


def _path(name: str) -> str:
    return f"/automations/{quote(name, safe='')}"


def _client() -> Client:
    from upshot.events.settings import load_settings

    from .client import Client

    settings = load_settings()
    token = settings.api_token
    return Client(settings.url, token.get_secret_value() if token else None)
