"""Settings: defaults, then ``upshot.toml``, then ``UPSHOT_*`` variables, then flags."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from .durations import parse_duration
from .event import describe
from .exceptions import TerminalEventsError


def _in_seconds(value: object) -> object:
    """Return a duration with units in seconds; what has none is left to be a number."""
    if isinstance(value, str) and value.strip()[-1:].isalpha() and value[:1].isdigit():
        return parse_duration(value).total_seconds()
    return value


Seconds = Annotated[float, BeforeValidator(_in_seconds), Field(ge=0.001, le=1e10)]


def _is_known_database(url: str) -> str:
    if not url.startswith(("sqlite:///", "postgresql://", "postgres://")):
        raise ValueError("write sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")
    return url


DatabaseUrl = Annotated[str, AfterValidator(_is_known_database)]


def _sendable(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if not text or not all("!" <= character <= "~" for character in text):
        raise ValueError("use letters, digits and signs of ASCII only, no blanks: it is a header")
    return token


Token = Annotated[SecretStr, AfterValidator(_sendable)]


def _known_levels(loggers: str) -> str:
    for each in loggers.split(","):
        _, colon, level = each.partition(":")
        if colon and level.strip().upper() not in logging.getLevelNamesMapping():
            raise ValueError(
                f"{level.strip()!r} is no level; write name or name:level, with commas"
            )
    return loggers


Loggers = Annotated[str, AfterValidator(_known_levels)]


class WrongSetting(TerminalEventsError):
    """A setting has a value that can't be used; the message names its key."""


class Settings(BaseSettings):
    """What can be set. Times are in seconds, or written ``90s``, ``1h30m``, ``7d``; sizes in bytes.

    Attributes:
        data_dir: folder of the embedded store and of results.
        redis_url: a server of your own instead of the embedded store.
        database_url: where the recorded past is kept, ``sqlite:///PATH`` or
            ``postgresql://USER:PASSWORD@HOST/NAME``; else ``history.db`` in ``data_dir``.
        url: HTTP address that the command line and clients use.
        host: address that the API listens on; any but loopback needs an ``api_token``.
        port: port that the API listens on; 0 picks a free one.
        api_token: bearer token that HTTP requests must carry, where set.
        lease: after this long without a sign of life a process counts as dead.
        restart_pause: longest wait before `up` starts a part again that keeps ending.
        log_retention: how long events stay in the log at least.
        run_retention: how long ended runs and firings stay in the store.
        dead_letter_retention: how long dead letters stay, and ``dead_letter_limit`` how many do at
            most; the oldest go first.
        key_retention: how long the key of a committed transaction counts after it was last used.
        asset_retention: how long an asset is known after something was last said of it.
        late_after: how long after it is due a run may wait for a worker, before it is Late.
        undo_after: how long a crashed run with an open transaction waits for a retry, before what
            that did is undone.
        history_retention: how long events, runs and firings stay in the database.
        dedup: how long an id that a sender chose is remembered at least.
        max_body: largest HTTP body.
        store_memory: memory limit of the embedded store, 0 for none.
        worker_concurrency: flow processes that one worker runs at a time.
        worker_grace: how long a worker that leaves waits for its flows, before it hands them over.
        action_concurrency: actions that one dispatcher does at a time.
        warm_parents: processes with imports done that a worker keeps, at most.
        allow_private_webhooks: whether call-webhook and notify may reach private addresses.
        log_level, log_format: of Upshot's own log; ``auto`` is for people on a terminal, else JSON.
        extra_loggers: loggers whose lines go to the logs of runs though they do not pass them on,
            or with a level of their own: ``dask,scipy:debug``.
    """

    model_config = SettingsConfigDict(
        env_prefix="UPSHOT_",
        env_ignore_empty=True,
        extra="forbid",
        toml_file="upshot.toml",
        frozen=True,
    )

    data_dir: Path = Path.home() / ".upshot"
    redis_url: str | None = None
    database_url: DatabaseUrl | None = None
    url: str = "http://127.0.0.1:4280"
    host: str = "127.0.0.1"
    port: int = Field(default=4280, ge=0, le=65535)
    api_token: Token | None = None
    lease: Seconds = 15.0
    restart_pause: Annotated[float, Field(ge=0.1, le=3600)] = 10.0
    log_retention: Seconds = 7 * 86400.0
    run_retention: Seconds = 30 * 86400.0
    dead_letter_retention: Seconds = 30 * 86400.0
    dead_letter_limit: int = Field(default=100_000, ge=1)
    key_retention: Seconds = 365 * 86400.0
    asset_retention: Seconds = 365 * 86400.0
    late_after: Seconds = 15.0
    undo_after: Seconds = 3600.0
    history_retention: Seconds = 90 * 86400.0
    dedup: Seconds = 86400.0
    max_body: int = Field(default=16 * 1024 * 1024, ge=1024)
    store_memory: int = Field(default=0, ge=0)
    worker_concurrency: int = Field(default=16, ge=1, le=1024)
    worker_grace: Seconds = 60.0
    action_concurrency: int = Field(default=256, ge=1, le=10_000)
    warm_parents: int = Field(default=8, ge=1, le=256)
    allow_private_webhooks: bool = True
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    extra_loggers: Loggers = ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the sources in their order; the first one wins."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def lease_ms(self) -> int:
        return int(self.lease * 1000)


def load_settings(**given: Any) -> Settings:
    """Read the settings; what is given and not None wins.

    Raises:
        WrongSetting: naming each key whose value is wrong, or the line that is not TOML.
    """
    try:
        return Settings(**{key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        raise WrongSetting(f"settings: {_with_variables(error)}") from error
    except TOMLDecodeError as error:
        raise WrongSetting(f"upshot.toml: {error}") from error


def _with_variables(error: ValidationError) -> str:
    """Describe what is wrong, each key with the variable that gives it where that is set."""
    told = describe(error)
    for wrong in error.errors(include_url=False):
        key = str(wrong["loc"][0]) if wrong["loc"] else ""
        variable = f"UPSHOT_{key.upper()}"
        if os.environ.get(variable):
            told = told.replace(f"{key}: ", f"{key} ({variable}): ", 1)
    return told
