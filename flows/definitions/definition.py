"""What flows and tasks are alike in: a function with a name, options, hooks and a signature."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    ParamSpec,
    Self,
    TypeVar,
    cast,
    overload,
)

from ..calls.parameters import Signature
from ..exceptions import WrongArgument
from ..given import FUNCTION, functions, require, shown, texts, wrong
from ..results.formats import Serializer
from .checking import check_known, check_options
from .delays import Delays

if TYPE_CHECKING:
    from ..states import State

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
T = TypeVar("T")
Hook = TypeVar("Hook", bound=Callable[..., Any])


class Definition(Generic[P, R]):
    """A function that runs as a flow or a task.

    Args:
        fn: the function; a method may be a ``staticmethod`` or ``classmethod`` as well.
        options: those that were given. known: all that there are.
    """

    # An option that was given becomes an attribute of the instance; these are the defaults.
    decorator: ClassVar[str]
    name: str
    description: str
    version: str | None = None
    tags: tuple[str, ...] = ()
    retries: int = 0
    retry_delay_seconds: Delays = 0
    timeout_seconds: float | None = None
    log_prints: bool | None = None
    persist_result: bool | None = None
    result_storage: str | Path | None = None
    result_serializer: Serializer | None = None

    def __init__(self, fn: Any, options: Mapping[str, Any], known: frozenset[str]) -> None:
        check_known(options, known, self.decorator)
        self._options = _without_none(options)
        self._method: Any = fn if isinstance(fn, staticmethod | classmethod) else None
        plain: Any = self._method.__func__ if self._method is not None else fn
        self.fn: Callable[..., Any] = plain
        _check_function(self.fn)
        functools.update_wrapper(cast("Any", self), self.fn, updated=())
        self.hooks: dict[str, list[Callable[..., Any]]] = {
            name: functions(name, hooks)
            for name, hooks in self._options.items()
            if name.startswith("on_")
        }
        vars(self).update(self._described(), **self._settings())
        check_options(vars(self))
        self.is_async = _is_coroutine_function(self.fn) or inspect.isasyncgenfunction(self.fn)
        self.is_generator = inspect.isgeneratorfunction(self.fn) or inspect.isasyncgenfunction(
            self.fn
        )

    def __reduce__(self) -> Any:
        return decorated, (type(self), self._method or self.fn, {**self._options, **self.hooks})

    def _described(self) -> dict[str, str]:
        name = str(getattr(self.fn, "__name__", type(self.fn).__name__))
        return {"name": name, "description": inspect.cleandoc(self.fn.__doc__ or "")}

    def _settings(self) -> dict[str, Any]:
        settings = {name: value for name, value in self._options.items() if name not in self.hooks}
        if "tags" in settings:
            settings["tags"] = tuple(sorted(set(texts("tags", settings["tags"]))))
        return settings

    @cached_property
    def signature(self) -> Signature:
        """The function's parameters."""
        return Signature(self.fn)

    @cached_property
    def body(self) -> Callable[..., Any]:
        """What a run calls: the function, or for a generator function what makes a list of it."""
        if not self.is_generator:
            return self.fn
        from ..calls.generating import collecting, collecting_async

        return collecting_async(self.fn) if self.is_async else collecting(self.fn)

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    @overload
    def __call__(
        self: Definition[..., Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> Coroutine[Any, Any, State]: ...

    @overload
    def __call__(
        self,
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> State: ...

    @overload
    def __call__(self, *args: Any, wait_for: Iterable[Any], **kwargs: Any) -> R: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it and return what the function returns, or raise what it raises.

        Besides the function's parameters it takes ``return_state`` (True returns how the run ended)
        and ``wait_for`` (futures that must have ended well before it runs).
        """
        return self._called(args, kwargs)

    def call_options(self, kwargs: dict[str, Any]) -> tuple[bool, list[Any]]:
        """Take ``return_state`` and ``wait_for`` out of a call's keyword arguments.

        One that the function has a parameter of the name for is left to it.
        """
        names = self.signature.names
        as_state = "return_state" not in names and bool(kwargs.pop("return_state", False))
        waited = None if "wait_for" in names else kwargs.pop("wait_for", None)
        if waited is None:
            return as_state, []
        if isinstance(waited, str | bytes) or not isinstance(waited, Iterable):
            raise wrong("wait_for", waited, "must be a list of futures")
        return as_state, list(waited)

    def _called(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Do what a call of this kind does where the code stands."""
        raise NotImplementedError

    @property
    def entrypoint(self) -> str:
        """Where a worker finds it: ``/path/to/file.py:function``.

        Raises:
            EntrypointNotFound: it stands in no file, or inside of another function.
        """
        from .entrypoints import entrypoint_of

        return entrypoint_of(self.fn)

    def _changed(self, fn: Callable[..., Any], **options: Any) -> Self:
        """Return another one of the same kind, with some options changed."""
        make: Any = type(self)
        changed: Self = make(fn, **{**self._options, **self.hooks, **_without_none(options)})
        return changed

    def _bound(self, instance: object, owner: type | None) -> Self:
        """Return this as an attribute of an instance or its class, as functions are methods."""
        if isinstance(self._method, staticmethod):
            return self
        if isinstance(self._method, classmethod):
            instance = type(instance) if owner is None else owner
        if instance is None:
            return self
        return self._changed(_method_of(self.fn, instance), name=self.name)

    def on_running(self, hook: Hook) -> Hook:
        """Call this whenever a run of it starts; see :func:`flow` for what hooks get."""
        return self._hooked("on_running", hook)

    def on_completion(self, hook: Hook) -> Hook:
        """Call this when a run of it completed."""
        return self._hooked("on_completion", hook)

    def on_failure(self, hook: Hook) -> Hook:
        """Call this when a run of it failed for good, after all retries."""
        return self._hooked("on_failure", hook)

    def on_cancellation(self, hook: Hook) -> Hook:
        """Call this when a run of it was cancelled while it ran."""
        return self._hooked("on_cancellation", hook)

    def on_crashed(self, hook: Hook) -> Hook:
        """Call this when something else than an error of its own ended a run of it."""
        return self._hooked("on_crashed", hook)

    def _hooked(self, name: str, hook: Hook) -> Hook:
        require(FUNCTION, **{name: hook})
        self.hooks.setdefault(name, []).append(hook)
        return hook


def _without_none(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _check_function(fn: Callable[..., Any]) -> None:
    if not callable(fn):
        raise WrongArgument(f"fn: a flow or task is made of a function, not of {shown(fn, 80)}")


def _is_coroutine_function(fn: Any) -> bool:
    """Tell whether calling it returns a coroutine, be it a function or an object."""
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(
        getattr(fn, "__call__", None)  # noqa: B004 - the method itself is asked about
    )


def decorated(kind: Any, fn: Callable[..., Any] | None, options: dict[str, Any]) -> Any:
    """Return a flow or task of the function; without one, what makes one of any function."""
    if fn is not None:
        return kind(fn, **options)
    kind(_nothing, **options)  # a wrong option is an error where it stands
    return functools.partial(kind, **options)


def _nothing() -> None: ...


def _method_of(fn: Callable[..., Any], instance: object) -> Callable[..., Any]:
    method: Callable[..., Any] = fn.__get__(instance)
    return method
