"""Containers and Kubernetes Jobs: what is sent to their APIs, and what is made of the answers.

The APIs are replayed on loopback, with answers as they are documented; nothing here starts a
container.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import docker
import kubernetes
import pytest

from upshot.flows.deployments.jobs import DockerJob, KubernetesJob, job_of
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.states import State
from upshot.services.exceptions import CannotLaunch
from upshot.services.worker.runners.base import Launch
from upshot.services.worker.runners.containers import size
from upshot.services.worker.runners.docker import DockerPlatform, rendered
from upshot.services.worker.runners.kubernetes import KubernetesPlatform, found, manifest
from upshot.services.worker.runners.remote import Found, RemoteRunner

from .replayed import Replayed, replayed
from .running import until

STORE = "redis://store.example:6379/0"
RUN = "01a1f91c-f4ad-745a-9ddc-9e5f0077aadd"
NAME = f"upshot-{RUN}-2"
GIT = {"source": {"git": "https://example.org/x.git", "commit": "a" * 40}}
API = "/v1.47/containers"
JOBS, PODS = "/apis/batch/v1/namespaces/flows/jobs", "/api/v1/namespaces/flows/pods"

Answers = dict[str, list[tuple[int, Any]]]


def run(**launch: Any) -> FlowRun:
    return new_run("etl", state=State("Pending"), run_id=RUN, epoch=2, launch=launch)


def launch_of(kind: str, job: dict[str, Any], **launch: Any) -> Launch:
    return Launch(1, run(**launch), job_of(kind, {"image": "flows:3"}, job))


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
    with pytest.raises(CannotLaunch, match="redis_url"):
        manifest(launch_of("kubernetes", {}), "p", "unix:///run/store.sock", 1)


def test_a_job_of_a_cluster_is_rendered_whole() -> None:
    job = {
        "namespace": "flows", "cpu": 0.5, "memory": "1Gi", "service_account": "runner",
        "store_secret": "upshot/url", "node_selector": {"disk": "ssd"}, "keep": 60,
        "env": {"STAGE": "test"},
    }  # fmt: skip
    body = manifest(launch_of("kubernetes", job), "cluster", STORE, 15_000)
    labels = {"upshot.run": RUN, "upshot.epoch": "2", "upshot.pool": "cluster"}
    limits = {"cpu": "0.5", "memory": str(2**30)}
    assert body == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": NAME, "namespace": "flows", "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": 60,
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 15,
                    "serviceAccountName": "runner",
                    "nodeSelector": {"disk": "ssd"},
                    "containers": [
                        {
                            "name": "flow",
                            "image": "flows:3",
                            "imagePullPolicy": "IfNotPresent",
                            "command": ["python", "-m", "upshot.flows"],
                            "resources": {"limits": limits, "requests": limits},
                            "env": [
                                {"name": "STAGE", "value": "test"},
                                {"name": "UPSHOT_RUN_ID", "value": RUN},
                                {"name": "UPSHOT_RUN_EPOCH", "value": "2"},
                                {"name": "UPSHOT_RUN_LEASE_MS", "value": "15000"},
                                {
                                    "name": "UPSHOT_REDIS_URL",
                                    "valueFrom": {"secretKeyRef": {"name": "upshot", "key": "url"}},
                                },
                            ],
                        }
                    ],
                },
            },
        },
    }
    assert STORE not in str(body), "the address is the secret's alone"


def test_a_pod_can_not_have_a_folder_of_this_machine() -> None:
    launch = launch_of("kubernetes", {}, source={"folder": "/here"})
    with pytest.raises(CannotLaunch, match="deploy from git"):
        manifest(launch, "p", STORE, 1)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("512m", 2**29), ("512M", 2**29), ("512Mi", 2**29), ("1.5g", 3 * 2**29), ("100", 100),
     ("2Gi", 2**31), ("4kb", 4096)],
)  # fmt: skip
def test_sizes_mean_the_same_however_they_are_written(written: str, expected: int) -> None:
    assert size(written) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"running": {}}, Found(running=True)),
        ({"waiting": {"reason": "ContainerCreating"}}, Found()),
        ({"terminated": {"exitCode": 0}}, Found(ended=True, code=0)),
        (
            {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            Found(ended=True, code=137, why="its container ran out of memory"),
        ),
        (
            {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}},
            Found(ended=True, why="its container can't start: no such image"),
        ),
    ],
)
def test_what_a_pod_shows_is_understood(status: dict[str, Any], expected: Found) -> None:
    assert found({}, {"status": {"containerStatuses": [{"state": status}]}}) == expected


def test_a_job_without_a_pod_tells_by_itself() -> None:
    quota = {"type": "Failed", "status": "True", "message": "quota"}
    told = found({"status": {"conditions": [quota]}}, None)
    assert told == Found(ended=True, why="its job failed: quota")
    assert found({"status": {"succeeded": 1}}, None) == Found(ended=True, code=0)
    assert found({"status": {}}, None) == Found()


class Ends:
    """What a runner told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int | None, str]] = []

    def __call__(self, job: int, code: int | None, why: str) -> None:
        self.told.append((job, code, why))

    async def any(self) -> list[tuple[int, int | None, str]]:
        return self.told


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
        await until("its end", ends.any)
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
    answers["GET /v1.47/images/flows:3/json"] = [(200, {"Id": "sha256:1"})]
    async with replayed(answers) as server:
        platform = on_docker(server, tmp_path)
        assert await asyncio.to_thread(platform.start, launch_of("docker", {})) == NAME
        never = launch_of("docker", {"pull": "never"})
        server.answers[f"POST {API}/create"] = [(404, missing)]
        with pytest.raises(CannotLaunch, match="No such image"):
            await asyncio.to_thread(platform.start, never)
    (pulled,) = server.asked("POST", "/v1.47/images/create")
    assert pulled.query == {"fromImage": "flows", "tag": "3"}


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

        await until("it runs", runs)
        runner.stop(1)
        runner.kill(1)
        server.answers[f"GET {API}/json"] = [(200, listed("exited"))]
        await until("its end", ends.any)
        await runner.close()
    signals = {each.query["signal"] for each in server.asked("POST", f"{API}/{NAME}/kill")}
    assert signals == {"SIGTERM", "SIGKILL"}
    assert ends.told == [(1, 137, "its container ran out of memory")]


async def test_a_container_that_somebody_removed_has_ended(tmp_path: Path) -> None:
    answers = docker_answers()
    answers[f"GET {API}/json"] = [(200, [])]
    async with replayed(answers) as server:
        ends = Ends()
        runner = RemoteRunner(on_docker(server, tmp_path), ends)
        await runner.launch(launch_of("docker", {}))
        await until("its end", ends.any)
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


async def test_what_a_worker_that_left_could_not_remove_is_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upshot.services.worker.runners.docker._LEFT_SECONDS", 0.0)
    answers = docker_answers()
    answers[f"GET {API}/json"] = [(200, listed("running")), (200, listed("exited"))]
    async with replayed(answers) as server:
        platform = on_docker(server, tmp_path)
        for _ in range(2):
            await asyncio.to_thread(platform.look, set())
            assert not server.asked("DELETE", f"{API}/{NAME}")
        await asyncio.to_thread(platform.look, set())
        assert server.asked("DELETE", f"{API}/{NAME}")


def pod(state: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": f"{NAME}-x", "labels": {"job-name": NAME, "upshot.pool": "cluster"}}
    return {"metadata": metadata, "status": {"containerStatuses": [{"state": state}]}}


def cluster(*states: dict[str, Any]) -> Answers:
    job = {"metadata": {"name": NAME, "namespace": "flows"}, "status": {"active": 1}}
    return {
        f"POST {JOBS}": [(201, job), (409, {"message": "already exists"})],
        f"GET {JOBS}": [(200, {"items": [job]})],
        f"GET {PODS}": [(200, {"items": [pod(state)]}) for state in states],
        f"DELETE {JOBS}/{NAME}": [(200, {"kind": "Status", "status": "Success"})],
        f"DELETE {PODS}": [(200, {"kind": "Status", "status": "Success"})],
    }


def in_cluster(server: Replayed) -> KubernetesPlatform:
    api = kubernetes.client.ApiClient(kubernetes.client.Configuration(host=server.url))
    return KubernetesPlatform(api, "cluster", STORE, 15_000)


def in_flows() -> Launch:
    return launch_of("kubernetes", {"namespace": "flows"})


async def test_a_job_is_created_once_looked_at_and_left_to_the_cluster() -> None:
    states: list[dict[str, Any]] = [{"waiting": {"reason": "ContainerCreating"}}, {"running": {}}]
    async with replayed(cluster(*states, {"terminated": {"exitCode": 1}})) as server:
        ends = Ends()
        platform = in_cluster(server)
        runner = RemoteRunner(platform, ends)
        await runner.launch(in_flows())
        assert await asyncio.to_thread(platform.start, in_flows()) == NAME
        await until("its end", ends.any)
        await runner.close()
    made, _again = server.asked("POST", JOBS)
    assert made.body["spec"]["template"]["spec"]["containers"][0]["image"] == "flows:3"
    looks = server.asked("GET", PODS)
    assert looks[0].query["labelSelector"] == "upshot.pool=cluster"
    assert ends.told == [(1, 1, "")]
    assert not server.asked("DELETE", f"{JOBS}/{NAME}")


async def test_a_job_is_deleted_to_stop_it_and_its_pod_at_once_to_kill_it() -> None:
    async with replayed(cluster({"running": {}})) as server:
        platform = in_cluster(server)
        await asyncio.to_thread(platform.start, in_flows())
        await asyncio.to_thread(platform.stop, NAME)
        assert not server.asked("DELETE", PODS)
        await asyncio.to_thread(platform.kill, NAME)
    (killed,) = server.asked("DELETE", PODS)
    assert killed.query["gracePeriodSeconds"] == "0"
    assert killed.query["labelSelector"] == f"job-name={NAME}"
    assert len(server.asked("DELETE", f"{JOBS}/{NAME}")) == 2


async def test_a_job_whose_image_is_not_to_be_had_is_given_up_and_deleted() -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    async with replayed(cluster(waiting)) as server:
        ends = Ends()
        runner = RemoteRunner(in_cluster(server), ends)
        await runner.launch(in_flows())
        await until("its end", ends.any)
        await runner.close()
    assert ends.told == [(1, None, "its container can't start: no such image")]
    assert server.asked("DELETE", f"{JOBS}/{NAME}")


async def test_what_a_cluster_refuses_is_told_from_what_it_could_not_do_now() -> None:
    answers = cluster({"running": {}})
    forbidden = {"message": "jobs.batch is forbidden"}
    answers[f"POST {JOBS}"] = [(403, forbidden), (429, {"message": "slow down"})]
    async with replayed(answers) as server:
        platform = in_cluster(server)
        with pytest.raises(CannotLaunch, match="forbidden"):
            await asyncio.to_thread(platform.start, in_flows())
        with pytest.raises(OSError, match="slow down"):
            await asyncio.to_thread(platform.start, in_flows())


def test_both_models_know_their_own_fields() -> None:
    assert isinstance(launch_of("docker", {}).spec, DockerJob)
    assert isinstance(launch_of("kubernetes", {}).spec, KubernetesJob)
