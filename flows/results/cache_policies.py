"""Cache policies: from what of a call the key is made under which its result is found again.

Policies add up (``INPUTS + TASK_SOURCE``): the key is then made of all of theirs. Subtracting a
parameter's name (``INPUTS - "session"``) leaves that parameter out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..exceptions import Unhashable, WrongArgument
from ..given import FUNCTION, TEXT, maybe, one_of, require
from .hashing import hash_closure, hash_code, hash_value, hashed

if TYPE_CHECKING:
    from ..run_contexts import TaskRunContext


class IsolationLevel(StrEnum):
    """What those see and wait for that want the same result at the same time.

    READ_COMMITTED: each computes what was not yet done when it began. SERIALIZABLE: one computes,
    under a lock that its death frees; the others wait for what it makes.
    """

    READ_COMMITTED = "READ_COMMITTED"
    SERIALIZABLE = "SERIALIZABLE"


CacheKeyFn: TypeAlias = "Callable[[TaskRunContext, dict[str, Any]], str | None]"
"""Makes a key from a call's context and its parameters; None keeps the call out of the cache."""


@dataclass(frozen=True)
class CachePolicy:
    """What is common to all policies; one of one's own overrides ``compute_key``.

    Attributes:
        isolation_level: see :class:`IsolationLevel`.
        key_storage: where the values lie; by default where the task's results do.
    """

    isolation_level: IsolationLevel | None = field(default=None, kw_only=True)
    key_storage: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        require(maybe(one_of(IsolationLevel)), isolation_level=self.isolation_level)
        require(maybe(TEXT), key_storage=self.key_storage)

    def compute_key(
        self, context: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any]
    ) -> str | None:
        """Return the key of a call, or None where this policy has nothing to say.

        Raises:
            Unhashable: naming the parameter that can be no part of a key.
        """
        raise NotImplementedError(f"{type(self).__name__} makes no key")

    def configure(
        self,
        *,
        isolation_level: IsolationLevel | str | None = None,
        key_storage: str | None = None,
        lock_manager: object = None,
    ) -> CachePolicy:
        """Return this policy with another isolation level, or another place for its values.

        Args:
            lock_manager: without effect; for code written for Prefect: the store locks.
        """
        del lock_manager
        require(maybe(one_of(IsolationLevel)), isolation_level=isolation_level)
        level = IsolationLevel(isolation_level) if isolation_level else self.isolation_level
        return replace(self, isolation_level=level, key_storage=key_storage or self.key_storage)

    def __add__(self, other: CachePolicy) -> CachePolicy:
        if not isinstance(other, CachePolicy):
            return NotImplemented
        return _Sum((*_parts(self), *_parts(other)), **_settings(self, other))

    def __sub__(self, name: str) -> CachePolicy:
        raise WrongArgument(f"{type(self).__name__} has no parameter {name!r} to leave out")

    @staticmethod
    def from_cache_key_fn(cache_key_fn: CacheKeyFn) -> CachePolicy:
        """Return the policy whose keys a function makes."""
        return CacheKeyFnPolicy(cache_key_fn)


def _parts(policy: CachePolicy) -> tuple[CachePolicy, ...]:
    if isinstance(policy, _Sum):
        return policy.policies
    return () if isinstance(policy, _None) else (policy,)


def _settings(one: CachePolicy, other: CachePolicy) -> dict[str, Any]:
    """Return the settings of a sum.

    Raises:
        WrongArgument: the two contradict each other.
    """
    found: dict[str, Any] = {}
    for name in ("isolation_level", "key_storage"):
        given = {value for value in (getattr(one, name), getattr(other, name)) if value is not None}
        if len(given) > 1:
            raise WrongArgument(f"{name}: policies that are added must not have different ones")
        found[name] = next(iter(given), None)
    return found


@dataclass(frozen=True)
class _Sum(CachePolicy):
    """Policies whose keys make one."""

    policies: tuple[CachePolicy, ...]

    def compute_key(
        self, context: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any]
    ) -> str | None:
        keys = [policy.compute_key(context, inputs, flow_parameters) for policy in self.policies]
        said = [key for key in keys if key is not None]
        return hashed(*said) if said else None

    def __sub__(self, name: str) -> CachePolicy:
        if not any(isinstance(policy, Inputs) for policy in self.policies):
            return super().__sub__(name)
        fewer = (part - name if isinstance(part, Inputs) else part for part in self.policies)
        return replace(self, policies=tuple(fewer))


@dataclass(frozen=True)
class Inputs(CachePolicy):
    """The task's name and the values of its parameters, defaults included.

    Attributes:
        exclude: parameters that do not count.
        cloudpickle: hash by that package what nothing else can (lambdas, say).
    """

    exclude: tuple[str, ...] = ()
    cloudpickle: bool = False

    def compute_key(
        self, context: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any]
    ) -> str | None:
        parts = [context.task.name]
        for name in sorted(inputs.keys() - set(self.exclude)):
            try:
                parts += (name, hash_value(inputs[name], cloudpickle=self.cloudpickle))
            except Unhashable as error:
                raise Unhashable(f"parameter {name!r} can't be hashed: {error}") from error
        return hashed("inputs", *parts)

    def __sub__(self, name: str) -> CachePolicy:
        if not isinstance(name, str):
            raise WrongArgument("only the name of a parameter can be subtracted from a policy")
        return replace(self, exclude=(*self.exclude, name))


@dataclass(frozen=True)
class _TaskSource(CachePolicy):
    """What the task's function does."""

    def compute_key(
        self, context: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any]
    ) -> str | None:
        function = context.task.fn
        return hashed("code", context.task.name, hash_code(function), hash_closure(function))


@dataclass(frozen=True)
class _RunId(CachePolicy):
    """The flow run: nothing is found again in another one."""

    def compute_key(
        self, context: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any]
    ) -> str | None:
        return hashed("run", context.flow_run.id)


@dataclass(frozen=True)
class _FlowParameters(CachePolicy):
    """The parameters of the flow run."""

    def compute_key(
        self, context: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any]
    ) -> str | None:
        try:
            return hashed("flow", context.flow_run.flow, hash_value(flow_parameters))
        except Unhashable as error:
            raise Unhashable(f"the flow's parameters can't be hashed: {error}") from error


@dataclass(frozen=True)
class _None(CachePolicy):
    """No key: nothing is cached."""

    def compute_key(
        self, context: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any]
    ) -> str | None:
        return None


@dataclass(frozen=True)
class CacheKeyFnPolicy(CachePolicy):
    """A function of one's own makes the key; tasks that make the same key share what it names.

    Attributes:
        cache_key_fn: gets the context and the parameters; None keeps the call out of the cache.
    """

    cache_key_fn: CacheKeyFn

    def __post_init__(self) -> None:
        super().__post_init__()
        require(FUNCTION, cache_key_fn=self.cache_key_fn)

    def compute_key(
        self, context: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any]
    ) -> str | None:
        key = self.cache_key_fn(context, inputs)
        if key is not None and not isinstance(key, str):
            raise TypeError(f"cache_key_fn returned {type(key).__name__}, not a text or None")
        return key


INPUTS: Final = Inputs()
TASK_SOURCE: Final = _TaskSource()
RUN_ID: Final = _RunId()
FLOW_PARAMETERS: Final = _FlowParameters()
NO_CACHE: Final = _None()
NONE: Final = NO_CACHE
DEFAULT: Final = INPUTS + TASK_SOURCE + RUN_ID


def task_input_hash(context: TaskRunContext, arguments: dict[str, Any]) -> str | None:
    """Make a key of the task's name, code and parameters: a function for ``cache_key_fn``."""
    return (INPUTS + TASK_SOURCE).compute_key(context, arguments, {})
