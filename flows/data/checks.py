"""Checks of assets: functions that look at what was materialised, and may stop what needs it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, ParamSpec, TypeVar

from ..aside import called
from ..calls.outcomes import explain
from ..exceptions import InvalidAsset
from ..given import DICT, FLAG, FUNCTION, TEXT, is_text, maybe, require, shown, text
from .assets import Asset, Dependency, MaterializingTask, as_assets

if TYPE_CHECKING:
    from ..context import RunContext

P = ParamSpec("P")
R = TypeVar("R")

_LONGEST_NAME: Final = 200


class CheckOutcome(StrEnum):
    """What a check found; events are named ``asset.check-<outcome>``."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AssetCheckResult:
    """What a check found.

    Attributes:
        severity: ``warn`` lets a check that did not pass warn, and stop nothing.
        description: says what is wrong. metadata: any JSON object, such as counts.
    """

    passed: bool
    severity: Literal["error", "warn"] = "error"
    description: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (is_text(self.severity) and self.severity in ("error", "warn")):
            told = shown(self.severity, 80)
            raise InvalidAsset(f"severity: {told} is neither 'error' nor 'warn'")
        require(FLAG, passed=self.passed)
        require(TEXT, description=self.description)
        require(DICT, metadata=self.metadata)

    @property
    def outcome(self) -> CheckOutcome:
        if self.passed:
            return CheckOutcome.PASSED
        return CheckOutcome.WARNED if self.severity == "warn" else CheckOutcome.FAILED


class AssetCheck(Generic[P, R]):
    """A function that checks an asset; made by :func:`asset_check`. Called, it is that function.

    Attributes:
        key: of the asset. blocking: whether its failure fails the task that made the asset.
    """

    def __init__(self, fn: Callable[P, R], key: str, *, blocking: bool, name: str | None) -> None:
        require(FUNCTION, fn=fn)
        self.fn, self.key, self.blocking = fn, key, blocking
        self.name = name or str(getattr(fn, "__name__", "check"))
        self.description = inspect.cleandoc(fn.__doc__ or "")
        self._takes_value = bool(inspect.signature(fn).parameters)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.fn(*args, **kwargs)

    def judge(self, value: Any) -> AssetCheckResult:
        """Return what it finds in what the task returned; an error of its own is a failure."""
        try:
            found = called(self.fn, value) if self._takes_value else called(self.fn)
        except Exception as error:  # noqa: BLE001 - it is code of the user's own
            return AssetCheckResult(False, description=f"the check failed: {explain(error)}")
        if isinstance(found, AssetCheckResult):
            return found
        if isinstance(found, bool):
            return AssetCheckResult(found)
        problem = f"the check must return a bool or an AssetCheckResult, not {found!r}"
        return AssetCheckResult(False, description=problem[:1000])


def asset_check(
    *, asset: Dependency, blocking: bool = False, name: str | None = None
) -> Callable[[Callable[P, R]], AssetCheck[P, R]]:
    """Make a function check an asset, each time that it was materialised.

    The function gets what the task returned, if it has a parameter. It returns a bool, or an
    :class:`AssetCheckResult`; an exception is a failure.

    Args:
        asset: its key; then the check must stand in the module of the task or of the flow. Or the
            task that materialises it.
        blocking: fail the task when the check fails, so that what needs its result is not run.
        name: the function's name by default.

    Raises:
        InvalidAsset: that is no asset, or the task materialises several.
        WrongArgument: naming another one that is none.
    """
    require(maybe(text(_LONGEST_NAME)), name=name)
    require(FLAG, blocking=blocking)
    first, *others = found = as_assets("asset", [asset])
    if others:
        keys = ", ".join(each.key for each in found)
        raise InvalidAsset(f"asset: the task materialises {keys}; say which one is checked")

    def decorate(fn: Callable[P, R]) -> AssetCheck[P, R]:
        made = AssetCheck(fn, first.key, blocking=blocking, name=name)
        if isinstance(asset, MaterializingTask):
            asset.checks.append(made)
        return made

    return decorate


def checks_of(
    task: MaterializingTask[..., Any], made: Asset, context: RunContext
) -> list[AssetCheck[..., Any]]:
    """Return the checks of an asset: the task's own, and those in its module and the flow's."""
    flow = context.flow
    namespaces = [task.fn, *([flow.fn] if flow is not None else [])]
    found = {id(each): each for each in (*task.checks, *_in_modules(namespaces))}
    return [each for each in found.values() if each.key == made.key]


def _in_modules(functions: list[Callable[..., Any]]) -> Iterator[AssetCheck[..., Any]]:
    for function in functions:
        names = getattr(inspect.unwrap(function), "__globals__", {})
        yield from (each for each in list(names.values()) if isinstance(each, AssetCheck))
