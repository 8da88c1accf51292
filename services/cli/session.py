"""What all commands share: the settings, the client of the API, and how to print."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from upshot.events.settings import Settings
    from upshot.services.client import Client


class Format(StrEnum):
    """How a command prints what it found."""

    TABLE = "table"
    JSON = "json"


Output: TypeAlias = Annotated[
    Format, typer.Option("--output", "-o", help="A table for people, or JSON for programs.")
]
Limit: TypeAlias = Annotated[int, typer.Option(min=1, max=100_000, help="Show at most so many.")]


@dataclass
class Session:
    """One run of the command line.

    Attributes:
        url: address of the API, where ``--url`` gave one.
        debug: show tracebacks.
    """

    url: str | None = None
    debug: bool = False
    _opened: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def settings(self) -> Settings:
        from upshot.events.settings import load_settings

        return load_settings(url=self.url)

    @cached_property
    def client(self) -> Client:
        from upshot.services.client import Client

        from .looking import is_alone, looking
        from .printing import note

        secret = self.settings.api_token
        token = secret.get_secret_value() if secret else None
        if is_alone(self.settings):
            folder = str(self.settings.data_dir)
            note(f"no Upshot runs with {folder}; this is what is kept there")
            url = self._opened.enter_context(looking(self.settings))
            return Client(url, token, reads_of=folder)
        return Client(self.settings.url, token)

    def close(self) -> None:
        """Let go of what was opened for the command."""
        self._opened.close()


class Context(typer.Context):
    """The context that commands get; its object is the session."""

    obj: Session
