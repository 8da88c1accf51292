"""The page on workers says what is so: its files are read, its commands and tables are whole."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from upshot.automations.files.loading import Definitions, loads
from upshot.flows.deployments.jobs import JOBS, job_of
from upshot.flows.deployments.sources import FolderSource, GitSource
from upshot.services.cli.app import app

PAGE = (Path(__file__).parents[1] / "docs" / "workers.md").read_text()
COMMANDS = re.findall(r"^(?:UPSHOT_\w+=\S+ )?(upshot .*)$", PAGE, re.MULTILINE)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def read() -> Definitions:
    return loads("\n".join(blocks("yaml")), name="workers.md")


def test_the_pools_and_deployments_of_the_page_are_read() -> None:
    definitions = read()
    assert {pool.type for pool in definitions.work_pools} == set(JOBS)
    assert len(definitions.deployments) == 2


def test_the_jobs_of_the_pages_pools_are_whole() -> None:
    for pool in read().work_pools:
        assert isinstance(job_of(pool.type, pool.job), JOBS[pool.type])


@pytest.mark.parametrize("kind", sorted(JOBS))
def test_every_job_variable_is_named(kind: str) -> None:
    (row,) = re.findall(rf"^\| `{kind}` \|.*\|(.*)\|$", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) == set(JOBS[kind].model_fields)


def test_every_field_of_a_source_is_explained() -> None:
    fields = {*GitSource.model_fields, *FolderSource.model_fields} - {"digest"}
    told = re.findall(r"^\| ((?:`\w+`(?: or )?)+) \|", PAGE.partition("Field of `source`")[2], re.M)
    assert {name for row in told for name in re.findall(r"`(\w+)`", row)} == fields | {"branch"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_has_these_options(command: str) -> None:
    words = shlex.split(command)[1:]
    found, context = get_command(app), None
    while hasattr(found, "commands"):
        name = words.pop(0)
        found = found.commands[name]
    context = found.make_context("upshot", words, resilient_parsing=False)
    assert context.params
