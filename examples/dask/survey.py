"""Finds the longest functions of a folder of Python files: a task for each handful of files.

Where the tasks run is one argument: in threads, in processes, or on a Dask cluster.

    pip install 'upshot[dask]'
    python examples/dask/survey.py                        # the standard library, in threads
    python examples/dask/survey.py --on dask              # on a cluster of this machine's own
    python examples/dask/survey.py --on tcp://host:8786   # on one that is there
"""

from __future__ import annotations

import ast
import sysconfig
import tokenize
from argparse import ArgumentParser
from itertools import chain
from pathlib import Path
from typing import Any, TypedDict

from upshot import DaskTaskRunner, ProcessPoolTaskRunner, ThreadPoolTaskRunner, flow, task

HANDFUL = 25


class Function(TypedDict):
    """Where a function stands, and how many lines it has."""

    where: str
    name: str
    lines: int


@task(retries=2, retry_delay_seconds=0.5, timeout_seconds=120)
def measure(paths: list[str]) -> list[Function]:
    """Parse the files; those that no Python of this version can read are left out."""
    found: list[Function] = []
    for path in paths:
        try:
            with tokenize.open(path) as file:
                tree = ast.parse(file.read(), path)
        except (SyntaxError, UnicodeDecodeError):
            print(f"{path} is left out: no Python of this version")
            continue
        found += [
            Function(where=f"{path}:{node.lineno}", name=node.name, lines=_lines(node))
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
    return found


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@task
def longest(found: list[list[Function]], most: int) -> list[Function]:
    return sorted(chain(*found), key=lambda each: (-each["lines"], each["where"]))[:most]


@flow(log_prints=True)
def survey(folder: str | None = None, most: int = 5) -> list[Function]:
    """Survey a folder, by default the standard library."""
    chosen = Path(folder or sysconfig.get_path("stdlib"))
    files = sorted(str(path) for path in chosen.rglob("*.py") if "site-packages" not in path.parts)
    handfuls = [files[at : at + HANDFUL] for at in range(0, len(files), HANDFUL)]
    top = longest(measure.map(handfuls).result(), most)
    for each in top:
        print(f"{each['lines']:5} lines: {each['name']} in {each['where']}")
    return top


def runner(on: str) -> Any:
    """Return what runs the tasks: ``threads``, ``processes``, ``dask`` or a cluster's address."""
    match on:
        case "threads":
            return ThreadPoolTaskRunner()
        case "processes":
            return ProcessPoolTaskRunner()
        case "dask":
            return DaskTaskRunner(cluster_kwargs={"n_workers": 2, "dashboard_address": ":0"})
        case address:
            return DaskTaskRunner(address=address)


if __name__ == "__main__":
    parser = ArgumentParser(description="Finds the longest functions of a folder of Python files.")
    parser.add_argument("folder", nargs="?", help="by default the standard library")
    parser.add_argument("--on", default="threads", help="threads, processes, dask or tcp://…")
    given = parser.parse_args()
    survey.with_options(task_runner=runner(given.on))(given.folder)
