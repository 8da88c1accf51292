"""Foresees what would keep runs of a deployment waiting: no worker, or code that is not there.

Nobody's code is run for that: a file is read as text, and where it leaves open what it has, so is
this.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upshot.services.client import Client

Warned = dict[str, str]


def warnings_of(client: Client, deployments: Iterable[Mapping[str, Any]]) -> list[Warned]:
    """Return what is to be said of deployments, in the form of a plan's warnings."""
    given = list(deployments)
    return [*_unserved(client, given), *chain.from_iterable(map(_without_code, given))]


def _unserved(client: Client, deployments: list[Mapping[str, Any]]) -> Iterator[Warned]:
    pools = {each.get("work_pool") or "default": each["name"] for each in reversed(deployments)}
    served = {worker["pool"] for worker in client.items("/workers")} if pools else set()
    for pool, name in sorted(pools.items()):
        if pool not in served:
            start = f"start one with `upshot worker start --pool {pool}`"
            yield _warning(name, "work_pool", f"no worker serves {pool!r}, so runs wait; {start}")


def _without_code(deployment: Mapping[str, Any]) -> Iterator[Warned]:
    source: Mapping[str, Any] = deployment.get("source") or {}
    where, _, name = str(deployment["entrypoint"]).rpartition(":")
    if not where.endswith(".py") or "git" in source:
        return  # what a package or a repository has is not at hand
    path = Path(source.get("folder", ".")).expanduser() / where
    if (problem := missing(path, name)) is not None:
        yield _warning(deployment["name"], "entrypoint", problem)


def _warning(name: str, field: str, message: str) -> Warned:
    return {"kind": "deployment", "name": name, "field": field, "message": message}


def missing(path: Path, name: str) -> str | None:
    """Return what is wrong with a name in a Python file; None where nothing is, or can be known."""
    try:
        module = ast.parse(path.read_bytes())
    except FileNotFoundError:
        return f"there is no file {path} here; mend the path, or have it on the workers' machines"
    except (OSError, SyntaxError, ValueError) as error:
        return f"{path} can't be read: {error}; runs fail until it is mended"
    names = list(_names(module.body))
    if name.partition(".")[0] in names or "*" in names:
        return None
    functions = [each.name for each in module.body if isinstance(each, _FUNCTIONS)]
    there = f"; it has {', '.join(functions)}" if functions else ""
    return f"there is no {name} in {path}{there}; name the flow's function"


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _names(body: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the names that statements of a module make; ``*`` for any."""
    for each in body:
        if isinstance(each, (*_FUNCTIONS, ast.ClassDef)):
            yield each.name
        elif isinstance(each, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in each.names)
        else:
            yield from (
                part.id
                for part in ast.walk(each)
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
            )
            yield from _names(_inner(each))


def _inner(statement: ast.stmt) -> Iterator[ast.stmt]:
    """Yield the statements that stand directly in one, such as those behind an ``if``."""
    for part in ast.iter_child_nodes(statement):
        if isinstance(part, ast.stmt):
            yield part
        elif isinstance(part, ast.ExceptHandler | ast.match_case):
            yield from part.body
