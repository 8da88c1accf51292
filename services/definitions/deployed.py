"""Finds deployments, and the versions of them that are kept: by number or what names their code."""

from __future__ import annotations

from typing import Final

from upshot.events.exceptions import NotFound
from upshot.flows.runs.deployed import version_of

from .catalog import Catalog
from .names import resolve
from .planning import Doc
from .versions import Version

_LEAST: Final = 4
"""Characters of a commit that name it."""


async def deployed(catalog: Catalog, given: str, version: str | None = None) -> Doc:
    """Return the definition of a deployment, as it is or as it was at a version.

    Args:
        given: its name or id.
        version: a number, or a version's own name (a commit or digest may be cut short); the newest
            one that fits is meant. None for the present one.

    Raises:
        NotFound: there is no such deployment, or no such version of it is kept.
    """
    if version is not None:
        return await _at_version(catalog, await resolve(catalog, "deployment", given), version)
    try:
        return await catalog.get("deployment", given)
    except NotFound:  # then it may be an id
        return await catalog.get("deployment", await resolve(catalog, "deployment", given))


async def _at_version(catalog: Catalog, name: str, wanted: str) -> Doc:
    kept = await catalog.history("deployment", name)
    for fits in (_is_number, _is_named):
        for version in kept:
            if version.definition is not None and fits(version, wanted):
                return version.definition
    there = ", ".join(str(each.version) for each in kept[:10])
    raise NotFound(f"no version {wanted!r} of the deployment {name!r} is kept; there are {there}")


def _is_number(version: Version, wanted: str) -> bool:
    return str(version.version) == wanted


def _is_named(version: Version, wanted: str) -> bool:
    doc = version.definition or {}
    source = doc.get("source") or {}
    whole = str(source.get("commit") or source.get("digest") or "")
    return wanted == version_of(doc) or (len(wanted) >= _LEAST and whole.startswith(wanted))
