"""What becomes of assets in one task run: they are materialised and checked, or that failed.

The way of a result: the function returned → asset.referenced, asset.materialized → checks, each
with its event → the task completes, or fails because of a check that blocks. Each event and what
is known of the asset are written at once, before the end of the task.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from pydantic_core import from_json, to_json

from ..amount import TOO_MANY, holds_too_many
from ..context import METADATA, Here, RunContext, here
from ..emitting import made_event
from ..exceptions import AssetCheckFailed, InvalidAsset
from ..given import shown
from ..logs.capturing import run_logger
from ..states import State, StateType
from .assets import Asset, MaterializingTask, as_assets
from .checks import AssetCheck, AssetCheckResult, CheckOutcome, checks_of
from .lineage import begun_lineage

if TYPE_CHECKING:
    from ..calls.futures import TaskFuture
    from ..definitions.taskdef import Task
    from ..taskruns.taskrun import TaskRun

MAX_METADATA: Final = 64 * 1024
"""Bytes of JSON."""

_MOST_RELATED: Final = 40
"""Assets among the related resources of an event; its payload names all."""


class Described(Protocol):
    """Takes what a task's code says of the assets that it materialises."""

    def add(self, key: str, metadata: Mapping[str, Any], data_version: str | None) -> None:
        """Take metadata of one asset, or raise InvalidAsset."""


class Told:
    """What is said of a task's assets.

    Args:
        keys: of these assets.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = tuple(keys)
        self.metadata: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, str] = {}

    def add(self, key: str, metadata: Mapping[str, Any], data_version: str | None) -> None:
        if key not in self.keys:
            known = ", ".join(self.keys)
            told = shown(key, 80)
            raise InvalidAsset(f"asset: this task does not materialise {told}, but {known}")
        given = {**self.metadata.get(key, {}), **checked_metadata(metadata)}
        self.metadata[key] = checked_metadata(given)
        if data_version is not None:
            self.versions[key] = data_version[:200]


class Relayed(Told):
    """The same in another process: what is right goes to the one that writes the events."""

    def add(self, key: str, metadata: Mapping[str, Any], data_version: str | None) -> None:
        super().add(key, metadata, data_version)
        place = here()
        if place is not None:
            said = to_json([key, self.metadata[key], data_version])
            place.context.journal.put(place.context.held, METADATA, said)


def checked_metadata(metadata: object) -> dict[str, Any]:
    """Return metadata as JSON values, or raise InvalidAsset."""
    if not isinstance(metadata, Mapping):
        raise InvalidAsset(f"metadata: must be a dict, not {type(metadata).__name__}")
    if holds_too_many(metadata):
        raise InvalidAsset(f"metadata: {TOO_MANY}")
    try:
        body = to_json(dict(metadata), inf_nan_mode="null")
    except (ValueError, RecursionError) as error:
        raise InvalidAsset(f"metadata: can't be written as JSON: {error}") from error
    if len(body) > MAX_METADATA:
        raise InvalidAsset(f"metadata: {len(body):,} bytes; at most {MAX_METADATA:,} are kept")
    plain: dict[str, Any] = from_json(body)
    return plain


class Materializing:
    """The assets of one task run: those that it makes, and those behind what it is given.

    Args:
        task: what runs; it may make none, and only pass on what it was given.
        values, futures: what it is given.

    Attributes:
        told: takes what the task's code says of its assets.
    """

    def __init__(
        self,
        task: Task[..., Any],
        context: RunContext,
        task_run: TaskRun,
        values: Iterable[Any],
        futures: Iterable[TaskFuture[Any]],
    ) -> None:
        self._task, self._lineage = task, begun_lineage(context)
        self._needs = {asset.key: asset for asset in as_assets("asset_deps", task.asset_deps)}
        for key in self._lineage.behind(values, futures):
            self._needs.setdefault(key, Asset(key))
        self._makes = task.assets
        self._behind = frozenset(asset.key for asset in self._makes) or frozenset(self._needs)
        if self._behind:
            self._lineage.tell(task_run.id, self._behind)
        self.told = Told(asset.key for asset in self._makes)
        self._made = False

    def begin(self) -> None:
        """Forget what an attempt before has said."""
        self.told.metadata, self.told.versions, self._made = {}, {}, False

    def completed(self, place: Here, value: Any) -> None:
        """Materialise and check the assets of a function that returned.

        Raises:
            AssetCheckFailed: a check that blocks failed.
        """
        if not isinstance(self._task, MaterializingTask):
            return
        if isinstance(value, State) and not value.completed:
            return
        for asset in self._needs.values():
            _note(place, "asset.referenced", asset, "referenced", {})
        for asset in self._makes:
            self._materialize(place, self._task, asset)
        self._made = True
        pairs = [
            (a, check) for a in self._makes for check in checks_of(self._task, a, place.context)
        ]
        blocking = [check for asset, check in pairs if self._blocks(place, asset, check, value)]
        if blocking:
            names = ", ".join(f"{check.name} of {check.key}" for check in blocking)
            raise AssetCheckFailed(f"a blocking check failed: {names}")

    def _materialize(self, place: Here, task: MaterializingTask[..., Any], asset: Asset) -> None:
        needs = [key for key in self._needs if key != asset.key]
        related = [{"id": key, "role": "upstream-asset"} for key in needs[:_MOST_RELATED]]
        if task.by:
            related.insert(0, {"id": task.by, "role": "materialized-by"})
        payload = {
            "metadata": self.told.metadata.get(asset.key, {}),
            "data_version": self.told.versions.get(asset.key),
            "code_version": task.version or task.code,
            "upstream": needs,
            "by": task.by,
        }
        _note(place, "asset.materialized", asset, "materialized", payload, related=related)

    def _blocks(self, place: Here, asset: Asset, check: AssetCheck[..., Any], value: Any) -> bool:
        """Check an asset; tell whether that stops what needs it."""
        found = check.judge(value)
        try:
            metadata = checked_metadata(found.metadata)
        except InvalidAsset as error:
            found, metadata = AssetCheckResult(False, description=str(error)), {}
        payload = {
            "check": check.name,
            "outcome": found.outcome.value,
            "blocking": check.blocking,
            "description": found.description[:2000],
            "metadata": metadata,
        }
        _note(place, f"asset.check-{found.outcome}", asset, f"check:{check.name}", payload)
        if found.outcome is CheckOutcome.PASSED:
            return False
        told = f"check {check.name} of {asset.key} {found.outcome}: {found.description or 'no'}"
        run_logger().warning("%s", told)
        return check.blocking and found.outcome is CheckOutcome.FAILED

    def ended(self, place: Here, state: State) -> None:
        """Say that the assets could not be materialised; remember what they were made into."""
        if state.completed:
            self._lineage.remember(state.data, self._behind)
        elif state.type in {StateType.FAILED, StateType.CRASHED} and not self._made:
            payload = {"state": state.name, "message": state.message[:2000]}
            for asset in self._makes:
                _note(place, "asset.materialization-failed", asset, "failed", payload)


def _note(
    place: Here,
    event: str,
    asset: Asset,
    what: str,
    payload: Mapping[str, Any],
    *,
    related: Iterable[Mapping[str, str]] = (),
) -> None:
    """Put an event of an asset, and what is then known of the asset, into the journal."""
    made = made_event(place, event, _resource(asset), list(related), payload)
    run, task = place.context.flow_run, place.task
    head = {"key": asset.key, "what": what, "upstream": payload.get("upstream", [])}
    ran = {"flow_run": run.id, "flow": run.flow, "task_run": task and task.id}
    body = {"event": made.id, **ran, "task": task and task.task, **payload}
    properties = _properties(asset)
    lines = [to_json(head), to_json(properties) if properties else b"null", to_json(body)]
    place.context.journal.put(place.context.held, "asset", made.to_json(), record=b"\n".join(lines))


def _properties(asset: Asset) -> dict[str, Any]:
    if asset.properties is None:
        return {}
    names = ("name", "description", "url", "owners")
    given = {name: getattr(asset.properties, name) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def _resource(asset: Asset) -> dict[str, str]:
    told = _properties(asset)
    labels = {"id": asset.key, "name": told.get("name") or asset.key}
    return {**labels, **({"url": told["url"]} if told.get("url") else {})}
