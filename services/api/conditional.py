"""Conditional requests (RFC 9110): whoever changes a definition says which version they saw.

``ETag: "3"`` is version 3. ``If-Match`` names the version that is to be changed, ``*`` any;
``If-None-Match: *`` creates only. Without either, changing what exists is refused with 428.
"""

from __future__ import annotations

import re
from typing import Any, Final

from starlette.datastructures import Headers

from ..exceptions import Refused, VersionMismatch

ANY: Final = "*"
_TAG: Final = re.compile(r'\s*(W/)?"([^"]*)"\s*(?:,|$)')


def _header(name: str, description: str) -> dict[str, Any]:
    """Return how OpenAPI describes an optional header."""
    schema = {"type": "string"}
    described = {"in": "header", "required": False, "schema": schema, "description": description}
    return {"name": name, **described}


IF_MATCH: Final = _header(
    "If-Match", 'The version that is changed, as its ETag says: `"3"`; `*` for any.'
)
IF_NONE_MATCH: Final = _header("If-None-Match", "`*`: create it, and change none that exists.")


def etag(version: int) -> str:
    """Return the tag of a version."""
    return f'"{version}"'


def unchanged(headers: Headers, version: int) -> bool:
    """Tell whether who asks has this version already."""
    given = headers.get("if-none-match")
    return given is not None and (given.strip() == ANY or str(version) in _tags(given, weak=True))


def expected_version(headers: Headers, version: int | None, *, required: bool) -> int | None:
    """Decide whether a change may be made; return the version it is made to, None for any.

    Args:
        version: of what is stored; None where nothing is.
        required: whether changing what exists takes an ``If-Match``.

    Raises:
        VersionMismatch: 412. Refused: 428.
    """
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if none_match is not None and version is not None:
        raise VersionMismatch("it exists already, and If-None-Match was given", version)
    if match is None:
        if required and version is not None:
            raise _required(version)
        return 0 if none_match is not None else version if version is not None else 0
    if version is None:
        raise VersionMismatch("there is none of that name, and If-Match was given", 0)
    if match.strip() != ANY and str(version) not in _tags(match, weak=False):
        raise VersionMismatch(f"it is at version {version}, not at {match[:100]}", version)
    return version


def _tags(given: str, *, weak: bool) -> set[str]:
    return {tag for mark, tag in _TAG.findall(given) if weak or not mark}


def _required(version: int) -> Refused:
    detail = (
        f"it exists, at version {version}: say which version you change with "
        f"'If-Match: {etag(version)}', or 'If-Match: *' for any"
    )
    return Refused(428, "version-required", detail, headers={"ETag": etag(version)})
