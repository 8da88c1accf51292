"""Sees to it that the job variables of deployments fit their work pools, before they are stored."""

from __future__ import annotations

from collections.abc import Sequence

from upshot.events.store import Store
from upshot.flows.deployments.jobs import DEFAULT_TYPE, job_of
from upshot.flows.exceptions import InvalidJob

from ..exceptions import Refused
from .catalog import Reviewer
from .planning import Change, Doc, Verb
from .switching import WORK_POOL
from .versions import definition_in


class Fitting:
    """Looks at changes of deployments, then has the others reviewed.

    Args:
        store: where work pools are defined. then: reviews the changes further.
    """

    def __init__(self, store: Store, then: Reviewer) -> None:
        self._store = store
        self._then = then

    async def __call__(self, changes: Sequence[Change]) -> list[Change]:
        """Return the changes as they were reviewed.

        Raises:
            Refused: 422, a deployment says of its processes what its pool does not know.
        """
        about = [each for each in changes if _matters(each)]
        if about:
            pools = await self._pools(changes, {_pool(each) for each in about})
            errors = [error for each in about if (error := _misfit(each, pools[_pool(each)]))]
            if errors:
                detail = f"{errors[0]['name']}: {errors[0]['message']}; nothing was applied"
                raise Refused(422, "invalid-definition", detail, errors=errors)
        return await self._then(changes)

    async def _pools(self, changes: Sequence[Change], names: set[str]) -> dict[str, Doc]:
        """Return the pools as they will be; one that nobody defined is an empty one."""
        asked = sorted(names)
        stored = await self._store.execute("HMGET", self._store.keys("docs", WORK_POOL), *asked)
        pools = {name: definition_in(value) for name, value in zip(asked, stored, strict=True)}
        changed = {each.name: each.doc or {} for each in changes if each.kind == WORK_POOL}
        return {**pools, **changed}


def _matters(change: Change) -> bool:
    new = change.verb is not Verb.UNCHANGED and change.doc is not None
    return change.kind == "deployment" and new


def _pool(change: Change) -> str:
    return str((change.doc or {}).get("work_pool") or "default")


def _misfit(change: Change, pool: Doc) -> dict[str, object] | None:
    job = (change.doc or {}).get("job") or {}
    try:
        job_of(pool.get("type") or DEFAULT_TYPE, pool.get("job") or {}, job)
    except InvalidJob as error:
        said = f"{error} (work pool {_pool(change)})"
        return {"kind": change.kind, "name": change.name, "field": "job", "message": said}
    return None
