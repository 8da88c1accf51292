"""From a repository to runs of its versions, and pools and workers on the way: a whole service."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.flows.test_checkouts import Repository
from tests.waiting import eventually

from .service import COMMAND, Service, found

MADE = """
from upshot import flow
from words_beside import WORD


@flow
def words() -> str:
    return WORD
"""


class Words(Repository):
    """A repository of a flow that returns a word from a module beside it."""

    def release(self, word: str) -> str:
        (self.folder / "flows").mkdir(exist_ok=True)
        (self.folder / "flows" / "words_beside.py").write_text(f"WORD = {word!r}\n")
        return self.commit(MADE)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("up")
    running = Service(folder, UPSHOT_DATA_DIR=str(folder / "data"))
    try:
        yield running.start()
    finally:
        running.stop()


def result(service: Service, name: str, *options: str) -> tuple[str, str]:
    run = found(service, "deployment", "run", name, "--wait", *options)
    return run["result"], run["deployment_version"]


def test_each_deploy_of_a_repository_is_a_version_and_older_ones_still_run(
    service: Service, tmp_path: Path
) -> None:
    repository = Words(tmp_path / "repository")
    commits = []
    for word in ("one", "two"):
        commits.append(repository.release(word))
        deploy = ["flow", "deploy", "flows/made.py:words", "--git", str(repository.folder)]
        done = service.spawn(*deploy, "--branch", "main")
        assert done.returncode == 0, done.stderr
    first, second = (commit[:12] for commit in commits)
    assert result(service, "words/default") == ("two", second)
    assert result(service, "words/default", "--version", "1") == ("one", first)
    assert result(service, "words/default", "--version", commits[0][:7]) == ("one", first)
    listed = service.run("deployment", "versions", "words/default").stdout
    assert first in listed
    assert second in listed
    missing = service.run("deployment", "run", "words/default", "--version", "9")
    assert missing.returncode != 0
    assert "there are 2, 1" in missing.stderr


def test_files_pin_what_they_deploy_and_the_plan_shows_a_new_commit(
    service: Service, tmp_path: Path
) -> None:
    repository = Words(tmp_path / "repository")
    repository.release("filed")
    folder = Words(tmp_path / "folder")
    folder.release("copied")
    definitions = tmp_path / "upshot.yaml"
    definitions.write_text(f"""
work_pools:
  - {{name: own, type: subprocess, concurrency_limit: 2, job: {{env: {{GREETING: hello}}}}}}
deployments:
  - name: words/filed
    entrypoint: made.py:words
    source: {{git: "{repository.folder}", branch: main, subdirectory: flows}}
  - name: words/copied
    entrypoint: flows/made.py:words
    source: {{folder: folder}}
    work_pool: own
""")
    apply = ("apply", "-f", str(definitions))
    assert found(service, *apply)["changes"][0]["change"] == "created"
    unchanged = {each["change"] for each in found(service, *apply)["changes"]}
    assert unchanged == {"unchanged"}
    commit = repository.release("filed again")
    plan = found(service, *apply, "--dry-run")["changes"]
    (changed,) = [each for each in plan if each["change"] != "unchanged"]
    assert changed["name"] == "words/filed"
    assert changed["diff"][0]["field"] == "source.commit"
    assert changed["diff"][0]["new"] == commit
    assert result(service, "words/filed")[0] == "filed"
    with own_worker(service, "own", "builder"):
        assert result(service, "words/copied")[0] == "copied"
        shown = {each["name"]: each for each in found(service, "work-pool", "ls")}
        assert (shown["own"]["type"], shown["own"]["concurrency_limit"]) == ("subprocess", 2)
        workers = {each["name"]: each for each in found(service, "worker", "ls")}
        assert workers["builder"]["version"]
        assert workers["builder"]["status"] == "online"


def test_a_worker_that_is_drained_leaves(service: Service) -> None:
    with own_worker(service, "leaving", "goner") as process:
        done = service.run("worker", "drain", "goner")
        assert done.returncode == 0, done.stderr
        assert process.wait(60) == 0
    events = found(service, "event", "ls", "--event", "worker.*")
    told = [each["event"] for each in events if each["resource"]["name"] == "goner"]
    assert sorted(told) == ["worker.draining", "worker.offline", "worker.online"]
    unknown = service.run("worker", "drain", "nobody")
    assert "no worker is called 'nobody'" in unknown.stderr


def test_a_pool_is_created_changed_and_deleted(service: Service) -> None:
    create = ("work-pool", "create", "boxes", "--type", "docker", "--job")
    assert service.run(*create, "image=flows:1", "--limit", "3").returncode == 0
    assert service.run(*create, "image=flows:2").returncode == 0
    (pool,) = [each for each in found(service, "work-pool", "ls") if each["name"] == "boxes"]
    assert (pool["type"], pool["job"], pool["concurrency_limit"]) == (
        "docker",
        {"image": "flows:2"},
        None,
    )
    wrong = service.run(*create, "imagine=flows:1")
    assert "imagine" in wrong.stderr
    assert service.run("work-pool", "delete", "boxes").returncode == 0
    assert "boxes" not in {each["name"] for each in found(service, "work-pool", "ls")}


def test_a_deployment_whose_job_does_not_fit_its_pool_is_refused(
    service: Service, tmp_path: Path
) -> None:
    file = tmp_path / "made.py"
    file.write_text("from upshot import flow\n\n\n@flow\ndef plain() -> None:\n    pass\n")
    deploy = ("flow", "deploy", f"{file}:plain", "--job", "image=python:3.12")
    refused = service.run(*deploy)
    assert refused.returncode != 0
    assert "job of a process pool: image" in refused.stderr
    assert service.run("deployment", "inspect", "plain/default").returncode != 0


@contextmanager
def own_worker(service: Service, pool: str, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker of a pool as a program of its own."""
    command = [*COMMAND, "worker", "start", "--pool", pool, "--name", name]
    environment = {**service.environment(), "UPSHOT_LEASE": "1"}

    def is_there() -> bool:
        return name in {each["name"] for each in found(service, "worker", "ls")}

    with subprocess.Popen(command, env=environment) as process:
        try:
            eventually(is_there, f"{name} is there")
            yield process
        finally:
            process.terminate()
