"""Holds the house rules that no linter knows: lengths, first sentences, links, clean locks."""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_MODULE_LINES = 350
MAX_FUNCTION_LINES = 45
LOCKS = ("requirements.lock", "requirements-dev.lock")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _modules(room: Path) -> Iterator[Path]:
    return (path for path in sorted(room.rglob("*.py")) if "__pycache__" not in path.parts)


def _body_lines(function: Function) -> int:
    """Count a function's lines without its signature and docstring."""
    body = function.body
    documented = ast.get_docstring(function, clean=False) is not None
    first = body[1] if documented and len(body) > 1 else body[0]
    return (function.end_lineno or first.lineno) - first.lineno + 1


def _function_problems(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, Function) and (lines := _body_lines(node)) > MAX_FUNCTION_LINES:
            limit = MAX_FUNCTION_LINES
            yield node.lineno, f"{node.name} has {lines} lines, {limit} at most: split it"


def module_problems(path: Path) -> Iterator[str]:
    """Yield what is wrong with one module, as ``file:line: sentence``."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source, str(path))
    where = path.relative_to(ROOT)
    if source.strip() and not ast.get_docstring(tree):
        yield f"{where}:1: the module's first sentence should say its role"
    if (lines := source.count("\n")) > MAX_MODULE_LINES:
        yield f"{where}:1: {lines} lines, {MAX_MODULE_LINES} at most: split the module"
    for line, problem in _function_problems(tree):
        yield f"{where}:{line}: {problem}"


def link_problems(room: str) -> Iterator[str]:
    """Yield what is wrong with the link through which a room is imported."""
    link = ROOT / "upshot" / room
    if not link.is_symlink() or link.readlink() != Path(f"../{room}"):
        yield f"upshot/{room}: must be a symbolic link to ../{room}"


def lock_problems(name: str) -> Iterator[str]:
    """Yield the lines of a lock that name a host or an index, or that pin nothing."""
    pinned = re.compile(
        r"^(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?|[a-z0-9-]+==\S+(?: ; .*)? \\)$"
    )
    for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
        if line and not line.startswith("#") and not pinned.match(line):
            yield f"{name}:{number}: neither a pinned package nor a hash: {line.strip()[:60]}"


def problems(rooms: list[str]) -> Iterator[str]:
    """Yield all that is wrong with the rooms and the locks."""
    for room in rooms:
        yield from link_problems(room)
        for path in _modules(ROOT / room):
            yield from module_problems(path)
    for lock in LOCKS:
        yield from lock_problems(lock)


def main() -> None:
    """Print each problem; end with 1 when there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rooms", nargs="+")
    found = list(problems(parser.parse_args().rooms))
    for problem in found:
        print(problem)
    print("house rules: kept" if not found else f"house rules: {len(found)} broken")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
