"""The pages on flows: every program runs as it stands and prints what its page says."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from upshot.automations.files.loading import loads
from upshot.automations.trying.testing import run
from upshot.events.store import SyncStore
from upshot.flows.definitions.options import FlowOptions, TaskOptions
from upshot.flows.taskruns.triggering import RULES
from upshot.services.cli.app import app

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {
    path.name: path.read_text()
    for path in [
        *(DOCS / name for name in ("flows.md", "coming-from.md", "events.md", "recipes.md")),
        *sorted((DOCS / "flows").glob("*.md")),
    ]
}
PROGRAMS = [
    pytest.param(*found, id=f"{name}-{number}")
    for name, page in PAGES.items()
    for number, found in enumerate(
        re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    )
]
FILES = [
    pytest.param(block, id=f"{name}-{number}")
    for name, page in PAGES.items()
    for number, block in enumerate(
        re.findall(r"^```yaml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    )
]
COMMANDS = sorted(
    {
        re.sub(r"\bdone$|[;|>].*|\s#.*", "", command).strip()
        for page in PAGES.values()
        for block in re.findall(r"^```console\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
        for command in re.findall(r"^\$ .*?(upshot (?!run ls\n).*)$", block, re.MULTILINE)
    }
)
LINKS = [
    pytest.param(path, link, id=f"{path.name}-{link}")
    for path in [
        DOCS.parent / "README.md",
        *sorted(DOCS.rglob("*.md")),
        *sorted((DOCS.parent / "examples").rglob("*.md")),
    ]
    for link in sorted(set(re.findall(r"\]\(((?!https?:)[^)\s]+)\)", path.read_text())))
]


@pytest.mark.parametrize(("program", "printed"), PROGRAMS)
def test_a_program_prints_what_the_page_says(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, printed: str
) -> None:
    monkeypatch.setenv("UPSHOT_REDIS_URL", store_url)
    monkeypatch.setenv("UPSHOT_DATA_DIR", str(tmp_path))
    with contextlib.closing(SyncStore(store_url)) as store:
        store.load_functions()
    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(program, "flows.md", "exec", dont_inherit=True), names)
    assert out.getvalue() == printed


def test_every_python_block_is_run() -> None:
    assert len(PROGRAMS) == sum(page.count("```python") for page in PAGES.values()) > 20


@pytest.mark.parametrize("file", FILES)
def test_a_file_is_read_and_its_rules_pass_their_tests(file: str) -> None:
    for automation in loads(file).automations:
        assert [each.problems for each in run(automation) if each.problems] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_these_options(command: str) -> None:
    words = shlex.split(command)[1:]
    found: Any = get_command(app)
    while hasattr(found, "commands"):
        found = found.commands[words.pop(0)]
    assert found.make_context("upshot", words).params


def _anchors(page: str) -> set[str]:
    """Return what headings can be led to by, as GitHub makes it of them."""
    titles = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize(("path", "link"), LINKS)
def test_a_link_leads_somewhere(path: Path, link: str) -> None:
    file, _, anchor = link.partition("#")
    target = (path.parent / file).resolve() if file else path
    assert target.exists()
    assert not anchor or anchor in _anchors(target.read_text())


@pytest.mark.parametrize(
    "name", sorted(FlowOptions.__optional_keys__ | TaskOptions.__optional_keys__)
)
def test_every_option_is_named(name: str) -> None:
    assert f"`{name}`" in PAGES["options.md"] + PAGES["results.md"]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_explained(rule: str) -> None:
    assert f"| `{rule}` |" in PAGES["graphs.md"]


@pytest.mark.parametrize("name", [name for name in PAGES if name != "flows.md"])
def test_the_first_page_leads_to_every_other(name: str) -> None:
    assert re.search(rf"\]\((flows/)?{re.escape(name)}\)", PAGES["flows.md"])
