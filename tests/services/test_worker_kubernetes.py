"""Jobs of runs in a cluster: what is sent to its API, and what is made of the answers.

The API is replayed on loopback, with answers as they are documented.
"""

from __future__ import annotations

import asyncio
from typing import Any

import kubernetes
import pytest

from tests.waiting import until
from upshot.flows.deployments.jobs import KubernetesJob
from upshot.services.exceptions import CannotLaunch
from upshot.services.worker.runners.base import Launch
from upshot.services.worker.runners.kubernetes import KubernetesPlatform, found, manifest
from upshot.services.worker.runners.remote import Found, RemoteRunner

from .containers import NAME, RUN, STORE, Answers, Ends, launch_of
from .replayed import Replayed, replayed

JOBS, PODS = "/apis/batch/v1/namespaces/flows/jobs", "/api/v1/namespaces/flows/pods"


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
                            "terminationMessagePolicy": "FallbackToLogsOnError",
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
    ("status", "expected"),
    [
        ({"running": {}}, Found(running=True)),
        ({"waiting": {"reason": "ContainerCreating"}}, Found()),
        ({"terminated": {"exitCode": 0}}, Found(ended=True, code=0)),
        (
            {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            Found(ended=True, code=-9, why="its container ran out of memory"),
        ),
        (
            {"terminated": {"exitCode": 2, "message": "usage\nno such flow\n"}},
            Found(
                ended=True,
                code=2,
                why="its process ended with exit code 2 before the run did; it said last: "
                "no such flow",
            ),
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
        await until(ends.any, "its end")
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
        await until(ends.any, "its end")
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


def test_a_pod_can_not_have_a_store_of_this_machine() -> None:
    with pytest.raises(CannotLaunch, match="redis_url"):
        manifest(launch_of("kubernetes", {}), "p", "unix:///run/store.sock", 1)


def test_the_kubernetes_model_knows_its_own_fields() -> None:
    assert isinstance(launch_of("kubernetes", {}).spec, KubernetesJob)
