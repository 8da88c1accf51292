"""Pauses for people: a flow waits for somebody, or for the input that it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    PrivateAttr,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic_core import to_json

from upshot.events.event import describe

from ..aside import here_or_beside
from ..exceptions import FlowPauseTimeout, InvalidInput, WrongArgument
from ..given import RUN_ID, SPAN, TEXT, maybe, require, wrong
from ..joining.runs import change_run
from ..joining.store import connect, join
from ..runs.flowrun import FlowRun, Pause
from ..runs.pausing import resumed
from ..runs.transitions import Change, Seen
from .asking import Question, ask, flow_place, key_of
from .sending import as_input

if TYPE_CHECKING:
    from uuid import UUID

    from .receiving import Inputs
    from .sending import InputMetadata

T = TypeVar("T")
Seconds: TypeAlias = float | timedelta
HOUR: Final = 3600.0
_NO_TYPE: Final = "must be a type that pydantic reads"


class RunInput(BaseModel):
    """A form that a flow asks a person for; any pydantic model does as well."""

    shown: ClassVar[str] = ""
    _metadata: InputMetadata | None = PrivateAttr(default=None)

    @classmethod
    def with_initial_data(cls, description: str | None = None, **initial: Any) -> type[Self]:
        """Return the form with values that are there already, and a description to show.

        Raises:
            WrongArgument: it has no field of a name, or the description is no text.
        """
        require(maybe(TEXT), description=description)
        fields = cls.model_fields
        if unknown := sorted(initial.keys() - fields.keys()):
            raise WrongArgument(f"{unknown[0]}: {cls.__name__} has no such field")
        known = {name: (fields[name].annotation, value) for name, value in initial.items()}
        made: type[Self] = create_model(cls.__name__, __base__=cls, **known)  # type: ignore[call-overload]
        made.shown = description or cls.shown
        return made

    @property
    def metadata(self) -> InputMetadata | None:
        """What is known of it besides its fields, where it was received as a message."""
        return self._metadata

    @classmethod
    def receive(cls, *args: Any, **kwargs: Any) -> Inputs[Self]:
        """Return those that are sent to this flow run; see :func:`receive_input`."""
        from .receiving import receive_input

        return receive_input(cls, *args, **kwargs)

    def send_to(self, flow_run_id: str | UUID, sender: str | None = None) -> Any:
        """Send it to a flow run; see :func:`send_input`. In a coroutine, await it."""
        from .sending import send_input

        return send_input(self, flow_run_id, sender)

    def respond(self, run_input: Any, sender: str | None = None) -> Any:
        """Send something to the flow run that sent this; see :func:`send_input`."""
        from .sending import InputMetadata, respond

        return respond(self._metadata or InputMetadata("", None, ""), run_input, sender)


def pause_flow_run(
    wait_for_input: Any = None,
    timeout: Seconds | None = HOUR,
    poll_interval: float | None = None,
    key: str | None = None,
    *,
    description: str = "",
) -> Any:
    """Pause the flow run until somebody resumes it; its process stays.

    Tasks that are under way end, and no other one starts meanwhile. In a coroutine, await it.

    Args:
        wait_for_input: the input to ask for: a pydantic model, or any type; returned when it comes.
        timeout: seconds to wait; None for ever.
        poll_interval: without effect, as nothing polls here; for code written for Prefect.
        key: names the pause; one that was answered is passed without waiting when the flow's code
            runs again. By default it is which pause of the flow's code this is.
        description: for the person who is asked.

    Raises:
        FlowPauseTimeout: nobody resumed it in time.
        OutsideRun: no flow is under way here, or this is a task's code.
        WrongArgument: naming one that is none.
    """
    del poll_interval
    return _ask("pause_flow_run", wait_for_input, timeout, key, description, stay=None)


def suspend_flow_run(
    wait_for_input: Any = None,
    timeout: Seconds | None = HOUR,
    key: str | None = None,
    *,
    description: str = "",
) -> Any:
    """Suspend the flow run until somebody resumes it; its process ends meanwhile.

    When it is resumed, the flow's code runs again in another process: what completed is not done
    twice, and this call returns at once. A run that no worker started keeps its process. A run that
    nobody resumes in time fails. The arguments are those of :func:`pause_flow_run`.
    """
    return _ask("suspend_flow_run", wait_for_input, timeout, key, description, stay=0.0)


def _ask(
    function: str,
    wanted: Any,
    timeout: Seconds | None,
    key: str | None,
    description: str,
    *,
    stay: float | None,
) -> Any:
    require(TEXT, description=description)
    seconds = in_seconds(timeout)
    adapter = None if wanted is None else reader("wait_for_input", wanted)
    place = flow_place(function)
    shown = description or getattr(wanted, "shown", "")
    schema = None if adapter is None else _schema(adapter, wanted)
    pause = Pause(key_of(place, key, "pause"), shown, schema)

    def read(answer: dict[str, Any]) -> Any:
        return None if adapter is None else read_as(adapter, answer["value"])

    def late() -> FlowPauseTimeout:
        return FlowPauseTimeout(f"nobody resumed the flow run within {seconds:g} seconds")

    message = shown or ("waits for input" if schema else "waits to be resumed")
    return ask(place, Question(pause, message, read, seconds, stay, late))


def in_seconds(timeout: Seconds | None) -> float | None:
    """Return a timeout in seconds; WrongArgument where it is none."""
    require(maybe(SPAN), timeout=timeout)
    return timeout.total_seconds() if isinstance(timeout, timedelta) else timeout


def reader(name: str, wanted: type[T]) -> TypeAdapter[T]:
    """Return what reads input as a type; WrongArgument where the argument is no type for that."""
    if isinstance(wanted, str | Mapping):  # pydantic would take them for what it has not seen yet
        raise wrong(name, wanted, _NO_TYPE)
    try:
        return TypeAdapter(wanted)
    except (PydanticUserError, ValueError) as error:
        raise wrong(name, wanted, _NO_TYPE) from error


def _schema(adapter: TypeAdapter[Any], wanted: object) -> dict[str, Any]:
    try:
        return adapter.json_schema()
    except PydanticUserError as error:
        raise wrong("wait_for_input", wanted, f"{_NO_TYPE} as JSON") from error


def read_as(adapter: TypeAdapter[T], value: Any) -> T:
    """Return input as what is wanted; InvalidInput where it is not that."""
    try:
        return adapter.validate_json(to_json(value))
    except ValidationError as error:
        raise InvalidInput([("input", describe(error).removeprefix("event: "))]) from error


def resume_flow_run(flow_run_id: str | UUID, run_input: Any = None) -> Any:
    """Let a paused flow run go on. In a coroutine, await it.

    Args:
        run_input: what it asks for: a mapping, a pydantic model, or JSON values.

    Raises:
        NotFound: no run has this id. NotResumable: it has ended, or waits for an event.
        InvalidInput: naming each wrong field; the run waits on. WrongArgument: that is no id.
    """
    require(RUN_ID, flow_run_id=flow_run_id)
    given = as_input(dict(run_input) if isinstance(run_input, Mapping) else run_input)
    return here_or_beside(_resume, str(flow_run_id), given)


def _resume(run_id: str, given: Any) -> None:
    joined = join()

    def decide(run: FlowRun, seen: Seen) -> Change | None:
        return resumed(run, "resumed by a program", seen, given)

    change_run(connect(joined), run_id, decide, lease_ms=joined.lease_ms)


async def apause_flow_run(*args: Any, **kwargs: Any) -> Any:
    """Do what :func:`pause_flow_run` does, in a coroutine."""
    return await pause_flow_run(*args, **kwargs)


async def asuspend_flow_run(*args: Any, **kwargs: Any) -> Any:
    """Do what :func:`suspend_flow_run` does, in a coroutine."""
    return await suspend_flow_run(*args, **kwargs)


async def aresume_flow_run(*args: Any, **kwargs: Any) -> Any:
    """Do what :func:`resume_flow_run` does, in a coroutine."""
    await resume_flow_run(*args, **kwargs)
