"""Reads definitions from YAML files, and reports every problem in them at once.

paths → files → marked YAML (``${NAME}`` filled in) → models → no name twice → Definitions
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from ..definition import Automation
from ..exceptions import InvalidDefinition
from .declarations import Deployment, Limit, Receiver, Variable, Webhook, WorkPool
from .marked_yaml import MAX_BYTES, Marked, read
from .problems import describe


class Definitions(BaseModel):
    """All that files declare, by kind, in the order of the files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    automations: tuple[Automation, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    variables: tuple[Variable, ...] = ()
    limits: tuple[Limit, ...] = ()
    work_pools: tuple[WorkPool, ...] = ()

    def __len__(self) -> int:
        return sum(len(getattr(self, kind)) for kind in KINDS)


KINDS = tuple(Definitions.model_fields)


@dataclass(slots=True, frozen=True)
class _Read:
    """One file that was read, and where its things stand."""

    name: str
    marked: Marked
    definitions: Definitions
    problems: list[tuple[tuple[int, int], str]]


def load(paths: Iterable[str | Path], environment: Mapping[str, str] | None = None) -> Definitions:
    """Read the definitions in files and folders (there: ``*.yaml`` and ``*.yml``, sorted).

    Args:
        paths: files and folders, of which those within count, too, unless they are hidden.
        environment: what ``${NAME}`` in them stands for.

    Raises:
        InvalidDefinition: with a line ``file:line:column: field: what is wrong`` for each problem.
    """
    problems: list[str] = []
    files = [_read(path, environment or {}) for path in _files(paths, problems)]
    for file in files:
        problems += [_line(file.name, place, what) for place, what in sorted(file.problems)]
    problems += _twice(files)
    if problems:
        raise InvalidDefinition(problems)
    together: dict[str, Any] = {
        kind: [each for file in files for each in getattr(file.definitions, kind)] for kind in KINDS
    }
    return Definitions(**together)


def loads(
    text: str,
    *,
    name: str = "text",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Definitions:
    """Read definitions from text; ``name`` stands for the file, ``folder`` is where it lies.

    Raises:
        InvalidDefinition: as :func:`load`.
    """
    file = _check(name, read(text, environment or {}), folder or Path.cwd())
    problems = [_line(name, place, what) for place, what in sorted(file.problems)]
    problems += _twice([file])
    if problems:
        raise InvalidDefinition(problems)
    return file.definitions


def _line(name: str, place: tuple[int, int], what: str) -> str:
    return f"{name}:{place[0]}:{place[1]}: {what}"


def _files(paths: Iterable[str | Path], problems: list[str]) -> Iterator[Path]:
    for path in map(Path, paths):
        if path.is_dir():
            found = sorted(each for each in path.rglob("*") if _is_definition(each, path))
            if not found:
                problems.append(f"{path}: no *.yaml or *.yml file in this folder")
            yield from found
        elif path.is_file():
            yield path
        else:
            problems.append(f"{path}: no such file or folder")


def _is_definition(path: Path, folder: Path) -> bool:
    """Tell whether a file below a folder is meant: YAML, and nothing on the way is hidden."""
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix in {".yaml", ".yml"} and not hidden and path.is_file()


def _read(path: Path, environment: Mapping[str, str]) -> _Read:
    name = str(path)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        return _Read(name, Marked(), Definitions(), [((1, 1), f"can't be read: {error}")])
    return _check(name, read(text, environment), path.resolve().parent)


def _check(name: str, marked: Marked, folder: Path) -> _Read:
    problems, known = list(marked.problems), {place for place, _ in marked.problems}
    definitions = Definitions()
    try:
        definitions = Definitions.model_validate({} if marked.data is None else marked.data)
    except ValidationError as error:
        problems += [each for each in _explained(error, marked) if each[0] not in known]
    located = [each.located(folder) for each in definitions.deployments]
    return _Read(
        name, marked, definitions.model_copy(update={"deployments": tuple(located)}), problems
    )


def _explained(error: ValidationError, marked: Marked) -> list[tuple[tuple[int, int], str]]:
    explained = []
    for problem in _without_echoes(error.errors(include_url=False)):
        path, of_key, what = describe(problem, Definitions, marked)
        field = ".".join(map(str, path)) or "file"
        explained.append((marked.place(path, of_key=of_key), f"{field}: {what}"))
    return explained


def _without_echoes(problems: list[ErrorDetails]) -> list[ErrorDetails]:
    """Drop what only follows: a list is not too short because all its items are wrong."""

    def echoes(problem: ErrorDetails) -> bool:
        place = problem["loc"]
        return problem["type"] == "too_short" and any(
            other["loc"][: len(place)] == place and len(other["loc"]) > len(place)
            for other in problems
        )

    return [problem for problem in problems if not echoes(problem)]


def _twice(files: list[_Read]) -> list[str]:
    """Report each name that two things of a kind have."""
    seen: dict[tuple[str, str], str] = {}
    problems = []
    for file in files:
        for kind, index, name in _names(file.marked.data):
            path = (kind, index, "name")
            line, column = file.marked.place(path)
            here = f"{file.name}:{line}:{column}"
            first = seen.setdefault((kind, name), here)
            if first != here:
                problems.append(f"{here}: {kind}.{index}.name: '{name}' is taken by {first}")
    return problems


def _names(data: Any) -> Iterator[tuple[str, int, str]]:
    for kind in KINDS:
        things = data.get(kind) if isinstance(data, dict) else None
        for index, thing in enumerate(things if isinstance(things, list) else []):
            if isinstance(thing, dict) and isinstance(thing.get("name"), str):
                yield kind, index, thing["name"]
