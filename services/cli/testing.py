"""``upshot automation test``: run the tests that stand beside the rules in files."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .backtest import app as app
from .printing import console, harmless, note, say_json, styled
from .session import Format, Output

if TYPE_CHECKING:
    from upshot.automations.trying.testing import Ended


@app.command(name="test")
def run_tests(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files or folders.")],
    output: Output = Format.TABLE,
) -> None:
    """Run the tests in files of rules: no service is needed, and nothing is sent.

    Example: upshot automation test automations.yaml
    """
    began = time.monotonic()
    ended = [(path, each) for path in paths for each in _run(path)]
    failed = [(path, each) for path, each in ended if not each.passed]
    if output is Format.JSON:
        passed = len(ended) - len(failed)
        tests = [each.to_dict() for _, each in ended]
        say_json({"passed": passed, "failed": len(failed), "tests": tests})
    else:
        _show(ended, failed, time.monotonic() - began)
    if not ended:
        note("there are no tests: write some under `tests:` of an automation")
    if failed or not ended:
        raise typer.Exit(1)


def _run(path: Path) -> list[Ended]:
    from upshot.automations.files.loading import load
    from upshot.automations.trying.rendering import Lookups
    from upshot.automations.trying.testing import run

    found = load([path], os.environ)
    variables = {each.name: each.value for each in found.variables}
    deployments = {each.name: each.model_dump(mode="json") for each in found.deployments}
    lookups = Lookups(variables, deployments)
    return [each for automation in found.automations for each in run(automation, lookups)]


def _show(
    ended: list[tuple[Path, Ended]], failed: list[tuple[Path, Ended]], seconds: float
) -> None:
    screen = console()
    for path, each in ended:
        word, style = ("PASSED", "green") if each.passed else ("FAILED", "red")
        screen.print(styled([(f"{_place(path, each)} ", ""), (word, style)]))
    for path, each in failed:
        screen.print(styled([(f"\n{_place(path, each)}", "bold red")]))
        for problem in each.problems:
            screen.print(styled([(f"E   {harmless(problem)}", "red")]))
    passed = len(ended) - len(failed)
    told = f"{len(failed)} failed, {passed} passed" if failed else f"{passed} passed"
    screen.print(styled([(f"\n{told} in {seconds:.2f}s", "bold red" if failed else "bold green")]))


def _place(path: Path, each: Ended) -> str:
    return f"{path}::{each.automation}::{harmless(each.name)}"
