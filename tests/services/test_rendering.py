"""Templates that may run long run where they are stopped; the others never leave the process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import TypeAdapter

from upshot.automations.actions import Action, BaseAction
from upshot.automations.exceptions import TemplateFailed
from upshot.automations.templates.template import Template
from upshot.services.rendering import Renderer, effort_of
from upshot.services.rendering.renderer import QUICK

CONTEXT: dict[str, Any] = {
    "event": {
        "id": "e1",
        "event": "order.placed",
        "resource": {"id": "order.1", "name": "one"},
        "payload": {"n": 3, "big": "x" * 250_000, "rows": list(range(50_000))},
    },
    "events": [],
    "firing": {"id": "f1"},
    "automation": {"id": "a1", "name": "mine"},
    "flow_run": None,
    "deployment": None,
    "variables": {"env": "prod"},
}
LONG = "{% for i in range(20000) %}{% if 'yy' in event.payload.big %}{% endif %}{% endfor %}"


def action(**arguments: Any) -> BaseAction:
    made: BaseAction = TypeAdapter[BaseAction](Action).validate_python({"notify": arguments})
    return made


@pytest.fixture
async def renderer() -> AsyncIterator[Renderer]:
    made = Renderer(processes=1)
    yield made
    await made.close()


async def rendered(renderer: Renderer, source: str, size: int = 1000) -> str:
    made = action(to="oncall", title=source)
    request = await renderer.render(made, CONTEXT, effort=effort_of(made), size=size)
    return str(request.arguments["title"])


def started(renderer: Renderer) -> bool:
    return any(each._process is not None for each in renderer._all)


@pytest.mark.parametrize(
    ("source", "effort"),
    [
        ("plain", 0),
        ("{{ event.resource.name }} failed", 0),
        ("{{ event.payload.n + 1 }}", 1),
        ("{{ event.id | upper | default('x') }}", 2),
        ("{{ 'a' in event.payload.big }}", 1),
        ("{% if event.payload.n > 2 %}{{ event.id ~ 'x' }}{% endif %}", 2),
        ("{% for e in events %}{{ e.id }}{% endfor %}", None),
        ("{{ event.id.upper() }}", None),
        ("{{ event.payload.rows | sort }}", None),
        ("{{ event.payload.big | wordwrap }}", None),
    ],
)
def test_the_effort_of_a_template_is_told_by_its_text(source: str, effort: int | None) -> None:
    assert Template(source).effort == effort
    assert effort_of(action(to="x", title=source)) == effort


async def test_a_quick_template_is_filled_in_at_once(renderer: Renderer) -> None:
    assert await rendered(renderer, "{{ event.resource.name | upper }} failed") == "ONE failed"
    assert not started(renderer)


async def test_a_loop_and_much_work_on_much_data_leave_the_process(renderer: Renderer) -> None:
    loop = "{% for i in range(3) %}{{ i }}{% endfor %}"
    assert await rendered(renderer, loop) == "012"
    assert started(renderer)
    assert await rendered(renderer, "{{ event.id | upper }}", size=QUICK + 1) == "E1"


async def test_a_template_that_runs_long_is_stopped_and_the_next_one_is_not(
    renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TemplateFailed, match=r"takes? more than"):
        await rendered(renderer, LONG)
    assert await rendered(renderer, "{% for i in range(2) %}{{ i }}{% endfor %}") == "01"


STRANGE = """
import time
from upshot.services.rendering import process
from upshot.automations.actions import Request

class Strange:
    def __init__(self, body):
        self.body = body.decode()
    def render(self, context):
        while "spin" in self.body:
            pass
        if "grow" in self.body:
            bytearray(200_000_000)
        if "end" in self.body:
            process.os._exit(3)
        return Request("notify", {"title": "fine"})

process._compiled = Strange
process.main()
"""


async def test_what_never_looks_at_the_clock_is_stopped_by_the_kernel() -> None:
    renderer = Renderer(processes=1, program=STRANGE)
    slow = "{{ event.id.upper() }}"
    try:
        assert await rendered(renderer, slow) == "fine"
        (process,) = renderer._all
        before = process._process
        for title, why in (("spin", "take more than 0.07 s"), ("end", "ended its process"),
                           ("grow", "too much memory")):  # fmt: skip
            with pytest.raises(TemplateFailed, match=why):
                await rendered(renderer, f"{slow} {title}")
            assert await rendered(renderer, slow) == "fine"
        assert process._process is before
    finally:
        await renderer.close()


async def test_what_is_missing_is_told_as_anywhere(renderer: Renderer) -> None:
    with pytest.raises(TemplateFailed, match="nothing_like_it"):
        await rendered(renderer, "{{ event.payload.nothing_like_it.upper() }}")


async def test_a_process_that_somebody_ends_is_replaced(renderer: Renderer) -> None:
    assert await rendered(renderer, "{{ event.id.upper() }}") == "E1"
    (process,) = renderer._all
    assert process._process is not None
    os.kill(process._process.pid, signal.SIGKILL)
    await process._process.wait()
    assert await rendered(renderer, "{{ event.id.upper() }}") == "E1"


async def test_a_request_that_is_given_up_leaves_no_answer_for_the_next(renderer: Renderer) -> None:
    first = asyncio.create_task(rendered(renderer, "{{ event.id.upper() }}"))
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await rendered(renderer, "{{ event.resource.id.upper() }}") == "ORDER.1"


async def test_it_sees_no_secret_of_the_environment(
    renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSHOT_API_TOKEN", "hush-hush")
    await rendered(renderer, "{{ event.id.upper() }}")
    (process,) = renderer._all
    assert process._process is not None
    with open(f"/proc/{process._process.pid}/environ", "rb") as file:  # noqa: ASYNC230, PTH123
        assert b"hush-hush" not in file.read()
