"""Containers of runs: what is sent to Docker's API, and what is made of the answers.

The API is replayed on loopback, with answers as they are documented; nothing here starts a
container. tests/peers does.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.waiting import until
from upshot.events.store import Store
from upshot.flows.deployments.jobs import DockerJob
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.registry import Runs
from upshot.services.definitions.catalog import Catalog
from upshot.services.exceptions import CannotLaunch
from upshot.services.worker.runners.containers import how_ended, size
from upshot.services.worker.runners.docker import DockerPlatform, rendered
from upshot.services.worker.runners.remote import Found, RemoteRunner

from .containers import NAME, RUN, STORE, Answers, Ends, launch_of
from .replayed import Replayed, replayed
from .running import submit, worker

GIT = {"source": {"git": "https://example.org/x.git", "commit": "a" * 40}}
API = "/v1.47/containers"


def test_a_container_gets_what_its_job_says_and_knows_its_run(tmp_path: Path) -> None:
    job = {
        "cpu": 1.5, "memory": "512m", "env": {"STAGE": "test"}, "user": "1000", "network": "host",
        "volumes": ["/data:/data:ro"], "labels": {"team": "data"},
    }  # fmt: skip
    options = rendered(launch_of("docker", job, **GIT), "boxes", STORE, 15_000, tmp_path)
    assert options == {
        "image": "flows:3",
        "command": ["python", "-m", "upshot.flows"],
        "name": NAME,
        "labels": {
            "team": "data", "upshot.run": RUN, "upshot.epoch": "2", "upshot.pool": "boxes",
        },
        "environment": {
            "UPSHOT_DATA_DIR": str(tmp_path), "STAGE": "test", "UPSHOT_RUN_ID": RUN,
            "UPSHOT_RUN_EPOCH": "2", "UPSHOT_RUN_LEASE_MS": "15000", "UPSHOT_REDIS_URL": STORE,
            "UPSHOT_RUN_FETCH": "1",
        },
        "volumes": [
            "/data:/data:ro",
            f"{tmp_path}/results:{tmp_path}/results",
            f"{tmp_path}/code:{tmp_path}/code",
        ],
        "init": True,
        "network": "host",
        "user": "1000",
        "nano_cpus": 1_500_000_000,
        "mem_limit": 512 * 2**20,
    }  # fmt: skip


def test_the_embedded_store_is_reached_through_its_folder_and_loopback_not_at_all(
    tmp_path: Path,
) -> None:
    launch = launch_of("docker", {})
    options = rendered(launch, "p", "unix:///run/upshot/store.sock", 1, tmp_path)
    assert "/run/upshot:/run/upshot" in options["volumes"]
    with pytest.raises(CannotLaunch, match="redis_url"):
        rendered(launch, "p", "redis://127.0.0.1:6379/0", 1, tmp_path)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("512m", 2**29), ("512M", 2**29), ("512Mi", 2**29), ("1.5g", 3 * 2**29), ("100", 100),
     ("2Gi", 2**31), ("4kb", 4096)],
)  # fmt: skip
def test_sizes_mean_the_same_however_they_are_written(written: str, expected: int) -> None:
    assert size(written) == expected


def listed(state: str) -> list[dict[str, Any]]:
    return [{"Id": "c1", "Names": [f"/{NAME}"], "State": state}]


def ended(code: int, **more: Any) -> dict[str, Any]:
    return {"Id": "c1", "State": {"ExitCode": code, "OOMKilled": False, "Error": "", **more}}


def docker_answers(**more: list[tuple[int, Any]]) -> Answers:
    return {
        f"POST {API}/create": [(201, {"Id": "c1", "Warnings": []})],
        f"GET {API}/c1/json": [(200, ended(0))],
        f"POST {API}/{NAME}/start": [(204, None)],
        f"POST {API}/{NAME}/kill": [(204, None)],
        f"DELETE {API}/{NAME}": [(204, None)],
        f"GET {API}/json": [(200, listed("running")), (200, listed("exited"))],
    }


def on_docker(server: Replayed, folder: Path) -> DockerPlatform:
    client = docker.DockerClient(base_url=server.url, version="1.47")
    return DockerPlatform(client, "boxes", STORE, 15_000, folder)


async def test_a_container_is_created_started_looked_at_and_removed(tmp_path: Path) -> None:
    async with replayed(docker_answers()) as server:
        ends = Ends()
        runner = RemoteRunner(on_docker(server, tmp_path), ends)
        await runner.launch(launch_of("docker", {"memory": "64m"}))
        await until(ends.any, "its end")
        await runner.close()
    (made,) = server.asked("POST", f"{API}/create")
    assert made.query == {"name": NAME}
    assert made.body["Image"] == "flows:3"
    assert f"UPSHOT_RUN_ID={RUN}" in made.body["Env"]
    assert made.body["HostConfig"]["Memory"] == 64 * 2**20
    assert made.body["HostConfig"]["Init"] is True
    assert server.asked("POST", f"{API}/{NAME}/start")
    assert server.asked("DELETE", f"{API}/{NAME}")
    assert ends.told == [(1, 0, "")]


async def test_an_image_that_is_missing_is_pulled(tmp_path: Path) -> None:
    answers = docker_answers()
    missing = {"message": "No such image: flows:3"}
    answers[f"POST {API}/create"] = [(404, missing), (201, {"Id": "c1", "Warnings": []})]
    answers["POST /v1.47/images/create"] = [(200, {"status": "Pull complete"})]
    async with replayed(answers) as server:
        platform = on_docker(server, tmp_path)
        assert await asyncio.to_thread(platform.start, launch_of("docker", {})) == NAME
        never = launch_of("docker", {"pull": "never"})
        server.answers[f"POST {API}/create"] = [(404, missing)]
        with pytest.raises(CannotLaunch, match="No such image"):
            await asyncio.to_thread(platform.start, never)
    (pulled,) = server.asked("POST", "/v1.47/images/create")
    assert pulled.query == {"fromImage": "flows", "tag": "3"}


@pytest.mark.parametrize(
    ("told", "error"),
    [("manifest unknown", CannotLaunch), ("lookup registry.example: no such host", OSError)],
)
async def test_an_image_that_can_not_be_pulled_is_explained(
    tmp_path: Path, told: str, error: type[Exception]
) -> None:
    answers = docker_answers()
    answers[f"POST {API}/create"] = [(404, {"message": "No such image: flows:3"})]
    answers["POST /v1.47/images/create"] = [(200, {"errorDetail": {}, "error": told})]
    async with replayed(answers) as server:
        platform = on_docker(server, tmp_path)
        with pytest.raises(error, match=f"flows:3 can't be pulled: {told}"):
            await asyncio.to_thread(platform.start, launch_of("docker", {}))


async def test_a_container_that_can_not_be_started_is_removed(tmp_path: Path) -> None:
    answers = docker_answers()
    refused = {"message": 'exec: "pyton": executable file not found in $PATH'}
    answers[f"POST {API}/{NAME}/start"] = [(500, refused), (500, {"message": "disk"})]
    async with replayed(answers) as server:
        platform, launch = on_docker(server, tmp_path), launch_of("docker", {})
        with pytest.raises(CannotLaunch, match="pyton"):
            await asyncio.to_thread(platform.start, launch)
        with pytest.raises(OSError, match="disk"):
            await asyncio.to_thread(platform.start, launch)
        assert len(server.asked("DELETE", f"{API}/{NAME}")) == 2


async def test_a_container_that_an_earlier_try_created_will_do(tmp_path: Path) -> None:
    answers = docker_answers()
    there = f'the container name "{NAME}" is already in use by 12'
    answers[f"POST {API}/create"] = [(409, {"message": "Conflict"}), (500, {"message": there})]
    async with replayed(answers) as server:
        platform, launch = on_docker(server, tmp_path), launch_of("docker", {})
        for _ in range(2):
            assert await asyncio.to_thread(platform.start, launch) == NAME


async def test_to_stop_a_container_that_has_ended_is_no_error(tmp_path: Path) -> None:
    answers = docker_answers()
    answers[f"POST {API}/{NAME}/kill"] = [
        (409, {"message": f"cannot kill container: {NAME}: container 1 is not running"}),
        (500, {"message": "can only kill running containers. 1 is in state exited"}),
        (404, {"message": "No such container"}),
    ]
    async with replayed(answers) as server:
        platform = on_docker(server, tmp_path)
        for _ in range(3):
            await asyncio.to_thread(platform.stop, NAME)


async def test_what_a_container_said_last_tells_why_it_ended(tmp_path: Path) -> None:
    answers = docker_answers()
    answers[f"GET {API}/json"] = [(200, listed("exited"))]
    answers[f"GET {API}/c1/json"] = [
        (200, {**ended(1), "Config": {"Tty": True}, "HostConfig": {"LogConfig": {"Type": "x"}}})
    ]
    answers[f"GET {API}/c1/logs"] = [(200, "python: No module named upshot")]
    async with replayed(answers) as server:
        seen = await asyncio.to_thread(on_docker(server, tmp_path).look, {NAME})
    assert seen[NAME].why.endswith('python: No module named upshot"')


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        (0, "bye", Found(ended=True, code=0)),
        (137, "bye", Found(ended=True, code=-9)),
        (191, "", Found(ended=True, code=-63)),
        (255, "", Found(ended=True, code=255)),
        (
            3, "Traceback\n  File\nKeyError: 'x'\n\n",
            Found(
                ended=True, code=3,
                why="its process ended with exit code 3 before the run did; it said last: "
                "KeyError: 'x'",
            ),
        ),
    ],
)  # fmt: skip
def test_exit_codes_of_containers_are_understood(code: int, said: str, expected: Found) -> None:
    assert how_ended(code, said) == expected


async def test_a_container_is_asked_to_stop_and_then_killed(tmp_path: Path) -> None:
    answers = docker_answers()
    answers[f"GET {API}/json"] = [(200, listed("running"))]
    answers[f"GET {API}/c1/json"] = [(200, ended(137, OOMKilled=True))]
    async with replayed(answers) as server:
        ends = Ends()
        runner = RemoteRunner(on_docker(server, tmp_path), ends)
        await runner.launch(launch_of("docker", {}))

        async def runs() -> bool:
            return runner.is_running(1)

        await until(runs, "it runs")
        runner.stop(1)
        runner.kill(1)
        server.answers[f"GET {API}/json"] = [(200, listed("exited"))]
        await until(ends.any, "its end")
        await runner.close()
    signals = {each.query["signal"] for each in server.asked("POST", f"{API}/{NAME}/kill")}
    assert signals == {"SIGTERM", "SIGKILL"}
    assert ends.told == [(1, -9, "its container ran out of memory")]


async def test_a_container_that_somebody_removed_has_ended(tmp_path: Path) -> None:
    answers = docker_answers()
    answers[f"GET {API}/json"] = [(200, [])]
    async with replayed(answers) as server:
        ends = Ends()
        runner = RemoteRunner(on_docker(server, tmp_path), ends)
        await runner.launch(launch_of("docker", {}))
        await until(ends.any, "its end")
        await runner.close()
    assert ends.told == [(1, None, "its process was removed from outside")]


async def test_what_docker_could_not_do_now_is_told_from_what_it_refuses(tmp_path: Path) -> None:
    answers = docker_answers()
    answers[f"POST {API}/create"] = [(500, {"message": "disk"}), (400, {"message": "bad user"})]
    async with replayed(answers) as server:
        platform, launch = on_docker(server, tmp_path), launch_of("docker", {})
        with pytest.raises(OSError, match="disk"):
            await asyncio.to_thread(platform.start, launch)
        with pytest.raises(CannotLaunch, match="bad user"):
            await asyncio.to_thread(platform.start, launch)
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(platform.look, {NAME})


@pytest.mark.parametrize("state", ["exited", "created"])
async def test_what_a_worker_that_left_could_not_remove_is_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr("upshot.services.worker.runners.docker._LEFT_SECONDS", 0.0)
    answers = docker_answers()
    answers[f"GET {API}/json"] = [(200, listed("running")), (200, listed(state))]
    async with replayed(answers) as server:
        platform = on_docker(server, tmp_path)
        for _ in range(2):
            await asyncio.to_thread(platform.look, set())
            assert not server.asked("DELETE", f"{API}/{NAME}")
        await asyncio.to_thread(platform.look, set())
        assert server.asked("DELETE", f"{API}/{NAME}")


def test_the_docker_model_knows_its_own_fields() -> None:
    assert isinstance(launch_of("docker", {}).spec, DockerJob)


async def test_a_run_that_can_get_no_container_now_waits_and_says_why(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    pool = {"name": "default", "type": "docker", "job": {"image": "flows:3"}}
    await Catalog(store).put("work-pool", "default", pool)
    with worker(store.url, lease=600):
        given = await submit(store, "made.py:flow")

        async def told() -> FlowRun | None:
            now = await Runs(store).get(given.id)
            return now if "Docker does not answer" in now.state.message else None

        back: FlowRun = await until(told, "it says why it waits")
    assert back.state.name == "Scheduled"
    assert await store.execute("ZSCORE", store.keys("due"), given.id)
