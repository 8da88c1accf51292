"""Assets: tables, files and the like that tasks make; each task run that made some says so.

What becomes of a run that materialises is in ``materializing.py``; checks are in ``checks.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    ParamSpec,
    TypeAlias,
    TypeVar,
    Unpack,
    overload,
)

from ..context import here
from ..definitions.definition import Definition
from ..definitions.options import TaskOptions
from ..definitions.taskdef import Task
from ..exceptions import InvalidAsset, OutsideRun
from ..given import TEXT, is_text, maybe, require, shown, wrong

if TYPE_CHECKING:
    from .checks import AssetCheck

P = ParamSpec("P")
R = TypeVar("R")

LONGEST_KEY: Final = 512
LONGEST_LABEL: Final = 1_000
LONGEST_DESCRIPTION: Final = 10_000
MOST_ASSETS: Final = 50
"""That one task may materialise, or depend on."""

_KEY: Final = re.compile(r"[^\s\x00-\x1f\x7f*!]+")


@dataclass(frozen=True, slots=True)
class AssetProperties:
    """What people want to know of an asset.

    Attributes:
        name: shown in place of the key. owners: people or teams.
    """

    name: str | None = None
    description: str | None = None
    url: str | None = None
    owners: tuple[str, ...] | list[str] | None = None

    def check(self) -> None:
        """Refuse what is no text, or too long for labels and lists."""
        for name in ("name", "description", "url"):
            value = getattr(self, name)
            most = LONGEST_LABEL if name != "description" else LONGEST_DESCRIPTION
            if value is not None and not (is_text(value) and len(value) <= most):
                raise InvalidAsset(f"{name}: must be text of at most {most:,} characters")
        owners: Any = self.owners or ()
        if not (isinstance(owners, tuple | list) and all(map(is_text, owners))):
            raise InvalidAsset("owners: must be a list of texts")


@dataclass(frozen=True, slots=True)
class Asset:
    """Something that tasks make and others use.

    Attributes:
        key: its address or name, such as ``s3://bucket/orders.csv`` or ``warehouse/orders``; no
            blanks, and none of ``*`` and ``!``, which mean something in automations.

    Raises:
        InvalidAsset: the key breaks that rule.
    """

    key: str
    properties: AssetProperties | None = None

    def __post_init__(self) -> None:
        if not (is_text(self.key) and len(self.key) <= LONGEST_KEY and _KEY.fullmatch(self.key)):
            rule = f"1 to {LONGEST_KEY} characters without blanks, '*' and '!'"
            raise InvalidAsset(f"asset: {shown(self.key, 80)} is no key; it has {rule}")
        if self.properties is not None:
            if not isinstance(self.properties, AssetProperties):
                raise InvalidAsset(f"properties: no AssetProperties: {shown(self.properties, 80)}")
            self.properties.check()

    def add_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Say more of it, from the task that materialises it; see :func:`add_asset_metadata`."""
        add_asset_metadata(self, metadata)


class MaterializingOptions(TaskOptions, total=False):
    """What a task takes that materialises assets."""

    assets: Iterable[str | Asset]
    by: str | None
    checks: list[AssetCheck[..., Any]]


_KNOWN: Final = MaterializingOptions.__optional_keys__


class MaterializingTask(Task[P, R]):
    """A task whose completed runs materialise assets; made by :func:`materialize`.

    Attributes:
        by: what does it, if not the flow itself: ``dbt``, ``spark``.
        checks: of its assets, besides those that stand in its module.
    """

    decorator: ClassVar[str] = "materialize"
    by: str | None = None
    checks: list[AssetCheck[..., Any]]

    def __init__(self, fn: Callable[P, R], **options: Unpack[MaterializingOptions]) -> None:
        assets = as_assets("assets", options.get("assets", ()))
        checks = options.get("checks", [])  # the same list in each copy: more may be added
        _require_checks(checks)
        Definition.__init__(self, fn, {**options, "assets": assets, "checks": checks}, _KNOWN)
        if not assets:
            raise InvalidAsset(f"assets: which ones does {self.name} materialise?")
        if self.is_generator:
            raise InvalidAsset(f"assets: {self.name} is a generator, which gives its values before")


def _require_checks(given: object) -> None:
    from .checks import AssetCheck

    if not isinstance(given, list) or not all(isinstance(each, AssetCheck) for each in given):
        raise wrong("checks", given, "must be a list of @asset_check functions")


Dependency: TypeAlias = str | Asset | Task[..., Any]
"""A key, an asset, or the task that materialises it."""


def as_assets(option: str, given: object) -> tuple[Asset, ...]:
    """Return assets given as keys, assets, or the tasks that materialise them; each once.

    Raises:
        InvalidAsset: naming the option.
    """
    if isinstance(given, str | Asset | Task) or not isinstance(given, Iterable):
        raise InvalidAsset(f"{option}: must be a list of assets, not {shown(given, 80)}")
    found: dict[str, Asset] = {}
    for each in given:
        for asset in _assets_of(option, each):
            found.setdefault(asset.key, asset)
    if len(found) > MOST_ASSETS:
        raise InvalidAsset(f"{option}: at most {MOST_ASSETS} assets are known of a task")
    return tuple(found.values())


def _assets_of(option: str, given: object) -> tuple[Asset, ...]:
    if isinstance(given, Asset):
        return (given,)
    if isinstance(given, str):
        return (Asset(given),)
    if isinstance(given, Task) and given.assets:
        return given.assets
    told = shown(given, 80)
    raise InvalidAsset(f"{option}: {told} is no asset, no key, and no task that makes one")


def materialize(
    *assets: str | Asset, by: str | None = None, **options: Any
) -> Callable[[Callable[P, R]], MaterializingTask[P, R]]:
    """Make a function a task that materialises assets, whenever a run of it completes.

    What it is made of is known from ``asset_deps``, and from the results of other such tasks that
    it is given.

    Args:
        assets: keys, or assets with properties. by: what does it, such as ``dbt``.
        options: those of :func:`task`; ``version`` is the version of the code. Besides, ``checks``:
            a list of :func:`asset_check` functions; those of its module apply anyway.

    Raises:
        InvalidAsset: a key breaks the rules.
    """
    if not assets or any(callable(each) for each in assets):
        raise InvalidAsset("assets: write @materialize('key', …), with one key at least")
    kept = as_assets("assets", assets)

    def decorate(fn: Callable[P, R]) -> MaterializingTask[P, R]:
        return MaterializingTask(fn, assets=kept, by=by, **options)

    return decorate


@overload
def asset(fn: Callable[P, R], /) -> MaterializingTask[P, R]: ...


@overload
def asset(
    fn: None = None,
    /,
    *,
    key: str | None = None,
    deps: Iterable[Dependency] = (),
    properties: AssetProperties | None = None,
    **options: Any,
) -> Callable[[Callable[P, R]], MaterializingTask[P, R]]: ...


def asset(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    key: str | None = None,
    deps: Iterable[Dependency] = (),
    properties: AssetProperties | None = None,
    **options: Any,
) -> Any:
    """Make a function a task that materialises the one asset which has its name.

    Args:
        key: another key. deps: what it is made of: keys, assets, or tasks that make some.
        options: as of :func:`materialize`.
    """

    def decorate(function: Callable[P, R]) -> MaterializingTask[P, R]:
        named = Asset(getattr(function, "__name__", "") if key is None else key, properties)
        return MaterializingTask(function, assets=(named,), asset_deps=deps, **options)

    return decorate if fn is None else decorate(fn)


def add_asset_metadata(
    asset: str | Asset, metadata: Mapping[str, Any], *, data_version: str | None = None
) -> None:
    """Say more of an asset, from within the task that materialises it.

    It stands in the event of the materialisation; what is said later replaces what has its name.

    Args:
        metadata: any JSON object, such as ``{"rows": 120}``.
        data_version: tells whether the data is other than before: a hash, a snapshot's number.

    Raises:
        InvalidAsset: the task does not materialise it, or the metadata is no JSON, or too much.
        OutsideRun: no such task is under way here.
    """
    place = here()
    if place is None or place.described is None:
        raise OutsideRun("add_asset_metadata() works inside of a task that materialises only")
    require(maybe(TEXT), data_version=data_version)
    key = asset.key if isinstance(asset, Asset) else asset
    place.described.add(key, metadata, data_version)
