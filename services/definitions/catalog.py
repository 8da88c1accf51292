"""The catalog: what people defined (automations, deployments, receivers, …), kept in the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeAlias

from pydantic_core import to_json

from upshot.events.exceptions import Conflict, NotFound
from upshot.events.store import Argument, Store

from ..exceptions import PlanOutdated, VersionMismatch
from ..once import Once
from .planning import Change, Definitions, Doc, Stored, Verb, change_of, identity, plan
from .telling import definition_event
from .versions import Version, parse_definition, parse_version

Reviewer: TypeAlias = Callable[[Sequence[Change]], Awaitable[list[Change]]]
"""Returns changes with what is to be said of them, or refuses them."""

_ATTEMPTS: Final = 10


class Catalog:
    """Definitions in the store; every change comes with its event.

    Args:
        store: where they are kept. review: looks at changes before they are made; it may raise.
    """

    def __init__(self, store: Store, review: Reviewer | None = None) -> None:
        self._store = store
        self._review = review

    async def all(self, kind: str) -> dict[str, Doc]:
        """Return every definition of a kind by name."""
        return {name: doc for name, (_, doc) in (await self.versions(kind)).items()}

    async def versions(self, kind: str) -> dict[str, tuple[int, Doc]]:
        """Return every definition of a kind by name, with its version."""
        stored = await self._store.execute("HGETALL", self._store.keys("docs", kind))
        return {name.decode(): parse_definition(value) for name, value in sorted(stored.items())}

    async def names(self, kind: str) -> list[str]:
        """Return the name of every definition of a kind, sorted."""
        names = await self._store.execute("HKEYS", self._store.keys("docs", kind))
        return sorted(name.decode() for name in names)

    async def has(self, kind: str, name: str) -> bool:
        """Tell whether a definition of that name exists."""
        return bool(await self._store.execute("HEXISTS", self._store.keys("docs", kind), name))

    async def get(self, kind: str, name: str) -> Doc:
        """Return one definition.

        Raises:
            NotFound: there is none of that name.
        """
        return (await self.version(kind, name))[1]

    async def version(self, kind: str, name: str) -> tuple[int, Doc]:
        """Return one definition with its version, or raise NotFound."""
        value = await self._store.execute("HGET", self._store.keys("docs", kind), name)
        if value is None:
            raise NotFound(f"no {kind} is called {name!r}")
        return parse_definition(value)

    async def history(self, kind: str, name: str) -> list[Version]:
        """Return the latest versions of a definition, newest first; none where it never was."""
        kept = await self._store.execute("LRANGE", self._history(kind, name), 0, -1)
        return [parse_version(each) for each in kept]

    async def apply(
        self,
        wanted: Definitions,
        *,
        prune: bool = False,
        dry_run: bool = False,
        only: str | None = None,
    ) -> list[Change]:
        """Make the stored definitions the wanted ones, all or nothing; return what that changes.

        Args:
            only: the identity of the plan that may be done, and no other.

        Raises:
            PlanOutdated: it would be another plan by now.
            Conflict: somebody else keeps changing them.
        """

        async def planned() -> list[Change]:
            changes = plan(wanted, await self._stored(wanted, prune), prune=prune)
            changes = await self._reviewed(changes)
            if only is not None and identity(changes) != only:
                raise PlanOutdated("the definitions changed since this was planned; plan again")
            return changes

        if dry_run:
            return await planned()
        return await self.change(planned, "the definitions keep changing; apply again")

    async def put(
        self,
        kind: str,
        name: str,
        doc: Doc,
        *,
        expected: int | None = None,
        once: Once | None = None,
    ) -> Change:
        """Store one definition; return what that changed.

        Args:
            expected: the version that it must have now, 0 for none; None for any.
            once: the action that does it, if one does.

        Raises:
            VersionMismatch: it has another one.
        """

        async def decided() -> list[Change]:
            stored = await self._among(kind, [name])
            change = change_of(kind, name, doc, stored.get(name))
            check_version(change.version if change.old is not None else 0, expected)
            return [change] if change.verb is Verb.UNCHANGED else await self._reviewed([change])

        outrun = f"{kind} {name} keeps changing; try again"
        (change,) = await self.change(decided, outrun, once=once)
        return change

    async def delete(self, kind: str, name: str, *, expected: int | None = None) -> None:
        """Delete one definition; raise NotFound, or VersionMismatch as :meth:`put`."""
        version, _ = await self.version(kind, name)
        check_version(version, expected)
        await self.commit([Change(kind, name, Verb.DELETED, version, None)])

    async def change(
        self,
        decide: Callable[[], Awaitable[list[Change]]],
        outrun: str,
        *,
        once: Once | None = None,
    ) -> list[Change]:
        """Make the changes that are decided on, and return them.

        Args:
            decide: looks at what is stored and decides; it is asked again where somebody else
                has changed that meanwhile.
            outrun: what to tell where that happens again and again.
            once: the action that makes them; what it made before is not made again.

        Raises:
            Conflict: somebody else keeps changing them.
        """
        for _ in range(_ATTEMPTS):
            changes = await decide()
            due = [change for change in changes if change.verb is not Verb.UNCHANGED]
            try:
                if due:
                    await self.commit(due, once=once)
            except Conflict:
                continue
            return changes
        raise Conflict(outrun)

    async def commit(self, changes: Iterable[Change], *, once: Once | None = None) -> None:
        """Make changes as they were decided, all or nothing.

        Args:
            once: the action that makes them; what it made before is not made again.

        Raises:
            Conflict: one of the definitions has another version by now.
        """
        arguments: list[Argument] = []
        for change in changes:
            doc = b"" if change.doc is None else to_json(change.doc)
            event = definition_event(change, change.told or change.verb.value, once)
            arguments += [change.kind, change.name, change.version, doc, event.to_json()]
        if once is None:
            await self._store.call("put", *arguments)
        else:
            await self._store.call("put_once", once.firing, once.index, *arguments)

    async def was_done(self, once: Once) -> bool:
        """Tell whether an action has made its change."""
        key = self._store.keys("firing", once.firing)
        return bool(await self._store.execute("HEXISTS", key, f"put:{once.index}"))

    async def _reviewed(self, changes: list[Change]) -> list[Change]:
        return changes if self._review is None else await self._review(changes)

    async def _stored(self, wanted: Definitions, everything: bool) -> Stored:
        """Return what a plan looks at: all of the wanted kinds, or the wanted names alone."""
        stored: dict[str, dict[str, tuple[int, Doc | None]]] = {}
        for kind, docs in wanted.items():
            stored[kind] = await self._among(kind, docs)
            if everything:
                stored[kind] = {**await self.versions(kind), **stored[kind]}
        return stored

    async def _among(self, kind: str, names: Iterable[str]) -> dict[str, tuple[int, Doc | None]]:
        """Return the definitions of these names, those that were deleted as None."""
        asked = list(names)
        if not asked:
            return {}
        key = self._store.keys("docs", kind)
        found = zip(asked, await self._store.execute("HMGET", key, *asked), strict=True)
        there = {name: value and parse_definition(value) for name, value in found}
        missing = [name for name, value in there.items() if value is None]
        heads = await self._store.pipeline(
            [("LINDEX", self._history(kind, name), 0) for name in missing]
        )
        gone = {
            name: (parse_version(head).version, None)
            for name, head in zip(missing, heads, strict=True)
            if head is not None
        }
        return {**{name: value for name, value in there.items() if value is not None}, **gone}

    def _history(self, kind: str, name: str) -> str:
        return self._store.keys("history", kind, name)


def check_version(version: int, expected: int | None) -> None:
    """Raise VersionMismatch where a definition is at another version than was expected."""
    if expected is not None and version != expected:
        told = f"it is at version {version}" if version else "there is none"
        raise VersionMismatch(f"{told}, and version {expected} was expected", version)
