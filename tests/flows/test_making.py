"""What one may say of a deployment in Python, and flows whose code lies elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import eventually
from upshot import Deployment, deploy, flow, serve
from upshot.flows.exceptions import EntrypointNotFound, InvalidDeployment, WrongArgument

from .conftest import ROOT, Seen

ELSEWHERE = """
from upshot import flow

@flow(name="My flow", version="3")
def mine(x: int = 1) -> int:
    return x + 1
"""
TWO = """
from upshot import flow, serve

@flow
def one(): ...

@flow(name="The other")
def two(): ...

if __name__ == "__main__":
    raise SystemExit(serve(one.to_deployment("a"), two.to_deployment("b c"), limit=1))
"""


@flow(tags=["etl"])
def my_flow(day: str = "today") -> None:
    """Load it all."""


def test_what_is_made_of_a_flow_is_known_to_nobody_yet(seen: Seen) -> None:
    made = my_flow.to_deployment("nightly", work_pool="big", tags=["night"])
    assert (made.name, made.work_pool, made.tags) == ("my-flow/nightly", "big", ["etl", "night"])
    assert made.description == "Load it all."
    assert not seen.names()


def test_words_of_prefect_mean_the_same(seen: Seen) -> None:
    made = my_flow.to_deployment(
        "nightly", work_pool_name="big", work_queue_name="urgent", image="python:3.12",
        job_variables={"env": {"A": "1"}}, build=False, push=False,
    )  # fmt: skip
    assert (made.work_pool, made.queue) == ("big", "urgent")
    assert made.job == {"env": {"A": "1"}, "image": "python:3.12"}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cron": "* * * * *"}, InvalidDeployment, "cron: .* automation with a schedule trigger"),
        ({"build": True}, InvalidDeployment, "build: no images"),
        ({"work_pool": "no spaces"}, InvalidDeployment, "work_pool: "),
        ({"tags": "etl"}, WrongArgument, "tags: must be a list"),
        ({"colour": "red"}, TypeError, "takes no colour"),
    ],
)
def test_what_a_deployment_can_not_have_is_refused_by_name(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        my_flow.to_deployment("nightly", **options)


def test_several_are_deployed_at_once_to_a_pool(seen: Seen) -> None:
    made = deploy(my_flow.to_deployment("a"), my_flow.to_deployment("b"), work_pool_name="p")
    assert [each.work_pool for each in made] == ["p", "p"]
    assert seen.names() == ["deployment.created"] * 2


@pytest.mark.parametrize("function", [deploy, serve])
@pytest.mark.parametrize("wrong", [None, "etl/a", my_flow])
def test_what_is_no_deployment_is_refused(function: Any, wrong: Any) -> None:
    with pytest.raises(InvalidDeployment, match=r"takes flow\.to_deployment\(name\), not"):
        function(wrong)


@pytest.mark.parametrize("function", [deploy, serve])
def test_two_of_a_name_are_refused(function: Any, seen: Seen) -> None:
    made = my_flow.to_deployment("a")
    with pytest.raises(InvalidDeployment, match="two deployments named"):
        function(made, made)


@pytest.mark.parametrize("name", [None, 5])
def test_a_name_is_a_text(name: Any) -> None:
    with pytest.raises(WrongArgument, match=f"name: must be a text, not {name}"):
        my_flow.to_deployment(name)


def test_serving_nothing_is_refused() -> None:
    with pytest.raises(InvalidDeployment, match="to_deployment"):
        serve()


def test_several_flows_are_served_from_one_pool(seen: Seen, tmp_path: Path) -> None:
    path = tmp_path / "two_flows.py"
    path.write_text(TWO)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(path)], env=environment, stderr=subprocess.DEVNULL
    ) as program:
        eventually(lambda: seen.names("worker.online"))
        program.send_signal(signal.SIGINT)
        program.wait(60)
    deployed = [event["payload"]["definition"] for event in seen.events("deployment.")]
    assert [each["name"] for each in deployed] == ["one/a", "The other/b c"]
    (pool,) = {each["work_pool"] for each in deployed}
    assert pool.startswith("served-The-other-b-c-")
    (online,) = seen.events("worker.online")
    assert pool in str(online)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "mine_elsewhere.py").write_text(ELSEWHERE)
    return folder


def test_a_flow_from_a_folder_is_called_here_and_deployed_from_there(
    seen: Seen, repository: Path
) -> None:
    found = flow.from_source(str(repository), "mine_elsewhere.py:mine")
    assert found(2) == 3
    made: Deployment = found.deploy("copied", parameters={"x": 5})
    assert (made.name, made.version) == ("My flow/copied", "3")
    (event,) = seen.events("deployment.")
    kept = event["payload"]["definition"]
    assert kept["entrypoint"] == "mine_elsewhere.py:mine"
    assert kept["source"]["folder"] == str(repository)
    assert kept["source"]["digest"]


def test_a_flow_from_a_repository_is_deployed_at_its_commit(seen: Seen, repository: Path) -> None:
    for command in (
        ["init", "--quiet"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "all"],
    ):
        subprocess.run(["git", "-C", str(repository), *command], check=True)
    found = flow.from_source(f"file://{repository}", "mine_elsewhere.py:mine")
    found.deploy("from-git")
    (event,) = seen.events("deployment.")
    assert len(event["payload"]["definition"]["source"]["commit"]) == 40


def test_a_source_that_makes_no_sense_is_refused(seen: Seen, repository: Path) -> None:
    with pytest.raises(InvalidDeployment, match="source: "):
        flow.from_source("ftp://nowhere", "a.py:f")
    with pytest.raises(EntrypointNotFound, match="there is no yours in it"):
        flow.from_source(repository, "mine_elsewhere.py:yours")
