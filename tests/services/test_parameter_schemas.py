"""Parameters that a flow does not take are refused at once, as soon as somebody knows its code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from tests.waiting import eventually
from upshot.flows.runs.flowrun import new_run
from upshot.flows.states import State
from upshot.services.worker.warm import TELL_SECONDS, WarmParent

from .service import Service

SHOP = """
from datetime import date

from pydantic import BaseModel

from upshot import flow


class Order(BaseModel):
    id: int


@flow
def fulfil(order: Order, day: date = date(2026, 1, 1), copies: int = 1) -> int:
    return order.id * copies
"""
FILE = """
deployments:
  - name: fulfil/applied
    entrypoint: shop.py:fulfil
  - name: fulfil/lenient
    entrypoint: shop.py:fulfil
    enforce_parameter_schema: false
  - name: fulfil/again
    entrypoint: again.py:fulfil
    job: {reuse: true}
automations:
  - name: wrong-at-once
    trigger: {type: event, expect: [order.placed]}
    actions:
      - run-deployment:
          deployment: fulfil/deployed
          parameters: {odrer: 1}
          retries: 3
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("up")
    (folder / "shop.py").write_text(SHOP)
    (folder / "again.py").write_text(SHOP)
    (folder / "shop.yaml").write_text(FILE)
    running = Service(folder, UPSHOT_DATA_DIR=str(folder / "data"))
    try:
        running.start()
        said(running, "flow", "deploy", "shop.py:fulfil", "--name", "deployed")
        said(running, "apply", "-f", "shop.yaml")
        yield running
    finally:
        running.stop()


def said(service: Service, *command: str) -> Any:
    done = service.run(*command, "--output", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def asked(service: Service, name: str, **parameters: Any) -> tuple[int, dict[str, Any]]:
    body: Any = {"deployment": f"fulfil/{name}", "parameters": parameters}
    answer = requests.post(f"{service.url}/api/v1/runs", json=body, timeout=60)
    return answer.status_code, answer.json()


def schema(service: Service, name: str) -> Any:
    address = f"{service.url}/api/v1/deployments/fulfil/{name}"
    return requests.get(address, timeout=60).json().get("parameter_schema")


def has_ended(service: Service, run: dict[str, Any]) -> str | None:
    """Return the state's name of a run that has ended."""
    address = f"{service.url}/api/v1/runs/{run['id']}"
    state = requests.get(address, timeout=60).json()["state"]
    return state["name"] if state["type"] in ("Completed", "Failed", "Crashed") else None


def test_what_was_deployed_from_its_code_is_checked_before_it_ever_ran(service: Service) -> None:
    status, told = asked(service, "deployed", day="never", copies="many", odrer=1)
    assert (status, told["type"]) == (422, "urn:upshot:problem:invalid-parameters")
    wrong = {each["field"]: each["message"] for each in told["errors"]}
    assert wrong == {
        "parameters.order": "missing",
        "parameters.copies": "must be an integer",
        "parameters.odrer": "unknown; it takes order, day, copies",
    }
    done = service.run("deployment", "run", "fulfil/deployed")
    assert done.returncode == 1
    assert "parameters.order: missing" in done.stderr
    shown = json.loads(service.run("deployment", "inspect", "fulfil/deployed").stdout)
    assert shown["parameter_schema"]["required"] == ["order"]


def test_what_the_flow_converts_is_let_through(service: Service) -> None:
    status, run = asked(service, "deployed", order={"id": "7"}, day="2026-02-03", copies="2")
    assert status == 201
    eventually(lambda: has_ended(service, run), "it ends")
    assert has_ended(service, run) == "Completed"


def test_of_what_was_applied_the_first_run_tells(service: Service) -> None:
    assert schema(service, "applied") is None
    status, run = asked(service, "applied")
    assert status == 201
    eventually(lambda: has_ended(service, run), "it ends")
    assert has_ended(service, run) == "Failed"
    assert asked(service, "applied")[0] == 422
    assert schema(service, "applied")["properties"]["copies"] == {"type": "integer", "default": 1}
    # The same code serves this one as well, which tells for itself.
    status, run = asked(service, "lenient")
    eventually(lambda: has_ended(service, run), "it ends")
    assert schema(service, "lenient") is not None
    assert asked(service, "lenient")[0] == 201


def test_changed_code_is_not_held_to_what_it_took_before(service: Service) -> None:
    _, run = asked(service, "again", order={"id": 1})
    eventually(lambda: has_ended(service, run), "it ends")
    assert asked(service, "again", parcel=1)[0] == 422
    path = service.folder / "again.py"
    path.write_text("from upshot import flow\n\n\n@flow\ndef fulfil(parcel: int) -> None: ...\n")
    later = path.stat().st_mtime_ns + 1_000_000_000
    os.utime(path, ns=(later, later))
    assert schema(service, "again") is None
    status, run = asked(service, "again", parcel=1)
    assert status == 201
    eventually(lambda: has_ended(service, run), "it ends")
    assert has_ended(service, run) == "Completed"
    assert asked(service, "again", order={"id": 1})[0] == 422


def test_an_automation_that_gives_wrong_ones_is_told_so_without_retries(service: Service) -> None:
    event: Any = {"event": "order.placed", "resource": {"id": "order.1"}}
    requests.post(f"{service.url}/api/v1/events", json=event, timeout=60).raise_for_status()
    address = f"{service.url}/api/v1/dead-letters"

    def buried() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(address, timeout=60).json()["items"]
        return found

    eventually(buried, "the action is given up")
    (letter,) = buried()
    assert letter["attempts"] == 1
    assert "parameters.order: missing" in json.dumps(letter)
    assert "parameters.odrer: unknown" in json.dumps(letter)


def test_a_warm_parent_has_it_told_for_each_deployment_and_now_and_then() -> None:
    parent = WarmParent("shop.py:fulfil", None)  # type: ignore[arg-type]
    run = new_run("fulfil", state=State("Pending"), deployment="fulfil/a")
    other = replace(run, deployment="fulfil/b")
    told = [parent.is_to_tell(each, at) for each, at in [(run, 1), (run, 2), (other, 3)]]
    assert told == [True, False, True]
    assert parent.is_to_tell(run, 1 + TELL_SECONDS)
    assert not parent.is_to_tell(replace(run, deployment=None), 4)


def test_the_form_of_a_deployment_asks_for_what_its_flow_takes(service: Service) -> None:
    address = f"{service.url}/deployments/fulfil%2Fdeployed"
    page = requests.get(address, timeout=60).text
    for field in ("field.order", "field.day", "field.copies"):
        assert f'name="{field}"' in page
    assert 'type="date"' in page
    sent = {"field.order": '{"id": "x"}', "field.day": "2026-01-01", "field.copies": "2"}
    headers = {"Origin": service.url}
    answer = requests.post(f"{address}/run", data=sent, headers=headers, timeout=60)
    assert answer.status_code == 422
    assert "must be an integer" in answer.text


def test_a_flow_asks_for_another_with_what_that_takes(service: Service) -> None:
    asking = service.folder / "asking.py"
    asking.write_text(
        "from upshot import run_deployment\n\nrun_deployment('fulfil/deployed', {'odrer': 1})\n"
    )
    command = [sys.executable, str(asking)]
    done = subprocess.run(
        command, env=service.environment(), capture_output=True, text=True, check=False
    )
    assert "WrongParameters: parameters.order: missing" in done.stderr
