"""Runs as Kubernetes Jobs, through the official client: ``pip install 'upshot[kubernetes]'``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import kubernetes
import urllib3
from kubernetes.client import ApiException
from kubernetes.config import ConfigException

from upshot.flows.deployments.jobs import KubernetesJob
from upshot.flows.flowruns.started import STORE

from ...exceptions import CannotLaunch
from .base import Launch
from .containers import POOL, how_ended, labels_of, name_of, require_reachable, size
from .remote import Found
from .started import variables

_CONFLICT: Final = 409
_GONE: Final = 404
_BUSY: Final = frozenset({408, 429})
_STOP_SECONDS: Final = 15
_NEVER: Final = frozenset(
    {"ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError", "ImagePullBackOff"}
)


def manifest(launch: Launch, pool: str, store_url: str, lease_ms: int) -> Any:
    """Return the Job of a run.

    Raises:
        CannotLaunch: the pod could not reach the store, or the code.
    """
    spec = launch.spec
    assert isinstance(spec, KubernetesJob)
    if spec.store_secret is None:
        require_reachable(store_url, "a pod")
    if "folder" in launch.run.launch.get("source", {}):
        raise CannotLaunch("source: a pod has no access to a folder; deploy from git, or an image")
    labels = {**spec.labels, **labels_of(launch, pool)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name_of(launch), "namespace": spec.namespace, "labels": labels},
        "spec": {
            "backoffLimit": 0,  # Upshot itself says what is tried again
            "ttlSecondsAfterFinished": spec.keep,
            "template": {
                "metadata": {"labels": labels},
                "spec": _pod(spec, _environment(launch, spec, store_url, lease_ms)),
            },
        },
    }


def _pod(spec: KubernetesJob, environment: list[dict[str, Any]]) -> dict[str, Any]:
    limits = {
        **({"cpu": f"{spec.cpu:g}"} if spec.cpu else {}),
        **({"memory": str(size(spec.memory))} if spec.memory else {}),
    }
    container = {
        "name": "flow",
        "image": spec.image,
        "imagePullPolicy": spec.pull,
        "command": spec.command,
        "env": environment,
        "terminationMessagePolicy": "FallbackToLogsOnError",  # so that its status says why
        **({"resources": {"limits": limits, "requests": limits}} if limits else {}),
    }
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _STOP_SECONDS,
        "containers": [container],
    }
    if spec.service_account:
        pod["serviceAccountName"] = spec.service_account
    if spec.node_selector:
        pod["nodeSelector"] = spec.node_selector
    return pod


def _environment(
    launch: Launch, spec: KubernetesJob, store_url: str, lease_ms: int
) -> list[dict[str, Any]]:
    told = variables(launch, store_url, lease_ms, fetches="source" in launch.run.launch)
    plain = {**spec.env, **told}
    if spec.store_secret is None:
        return [{"name": name, "value": value} for name, value in plain.items()]
    del plain[STORE]
    secret, _, key = spec.store_secret.partition("/")
    reference = {"secretKeyRef": {"name": secret, "key": key}}
    return [
        *({"name": name, "value": value} for name, value in plain.items()),
        {"name": STORE, "valueFrom": reference},
    ]


def found(job: dict[str, Any], pod: dict[str, Any] | None) -> Found:
    """Tell how a Job is, with its pod where there is one; both as the API shows them."""
    status = (pod or {}).get("status", {})
    states = [each.get("state", {}) for each in status.get("containerStatuses") or ()]
    for state in states:
        if ended := state.get("terminated"):
            out = ended.get("reason") == "OOMKilled"
            why = "its container ran out of memory" if out else ""
            return how_ended(ended.get("exitCode", 0), ended.get("message") or "", why)
        waiting = state.get("waiting") or {}
        if waiting.get("reason") in _NEVER:
            told = waiting.get("message") or waiting["reason"]
            return Found(ended=True, why=f"its container can't start: {told}")
    failed = [
        each.get("message") or each.get("reason", "")
        for each in job.get("status", {}).get("conditions") or ()
        if each.get("type") == "Failed" and each.get("status") == "True"
    ]
    if failed:
        return Found(ended=True, why=f"its job failed: {failed[0]}")
    if job.get("status", {}).get("succeeded"):
        return Found(ended=True, code=0)
    return Found(running=any("running" in state for state in states))


class KubernetesPlatform:
    """A cluster.

    Args:
        api: client of it. pool: whose runs. store_url, lease_ms: for the flow processes.
    """

    def __init__(
        self, api: kubernetes.client.ApiClient, pool: str, store_url: str, lease_ms: int
    ) -> None:
        self._api = api
        self._batch = kubernetes.client.BatchV1Api(api)
        self._core = kubernetes.client.CoreV1Api(api)
        self._pool = pool
        self._store_url = store_url
        self._lease_ms = lease_ms
        self._namespaces: dict[str, str] = {}
        self._hopeless: set[str] = set()

    def start(self, launch: Launch) -> str:
        body = manifest(launch, self._pool, self._store_url, self._lease_ms)
        name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
        with _told(unless=_CONFLICT):  # an earlier try has created it
            self._batch.create_namespaced_job(namespace, body)
        self._namespaces[name] = namespace
        return str(name)

    def look(self, names: set[str]) -> Mapping[str, Found]:
        seen: dict[str, Found] = {}
        for namespace in {self._namespaces[name] for name in names}:
            jobs = {each["metadata"]["name"]: each for each in self._list("job", namespace)}
            pods = {
                each["metadata"]["labels"].get("job-name", ""): each
                for each in self._list("pod", namespace)
            }
            for name in names & (jobs.keys() | pods.keys()):
                seen[name] = found(jobs.get(name, {}), pods.get(name))
        self._hopeless |= {name for name, each in seen.items() if each.ended and each.code is None}
        return seen

    def _list(self, kind: str, namespace: str) -> list[dict[str, Any]]:
        api = self._batch if kind == "job" else self._core
        with _told():
            listed = getattr(api, f"list_namespaced_{kind}")(
                namespace, label_selector=f"{POOL}={self._pool}", _preload_content=False
            )
        items: list[dict[str, Any]] = json.loads(listed.data)["items"]
        return items

    def stop(self, name: str) -> None:
        """Delete its Job: the pod is asked to end, and killed when its grace is over."""
        self._delete(name)

    def kill(self, name: str) -> None:
        namespace = self._namespaces[name]
        with _told(unless=_GONE):
            self._core.delete_collection_namespaced_pod(
                namespace, label_selector=f"job-name={name}", grace_period_seconds=0
            )
        self._delete(name)

    def _delete(self, name: str) -> None:
        with _told(unless=_GONE):
            self._batch.delete_namespaced_job(
                name, self._namespaces[name], propagation_policy="Background"
            )

    def remove(self, name: str) -> None:
        """Leave a Job that ended, which the cluster removes later; delete one that never could."""
        if name in self._hopeless:
            self._delete(name)
            self._hopeless.discard(name)
        del self._namespaces[name]


def connected() -> kubernetes.client.ApiClient:
    """Return a client of the cluster that this worker runs in, or that the kubeconfig names.

    Raises:
        CannotLaunch: there is neither.
    """
    try:
        kubernetes.config.load_incluster_config()  # type: ignore[no-untyped-call]
    except ConfigException:
        try:
            kubernetes.config.load_kube_config()  # type: ignore[no-untyped-call]
        except ConfigException as error:
            raise CannotLaunch(f"this worker knows no Kubernetes cluster: {error}") from error
    return kubernetes.client.ApiClient()


@contextmanager
def _told(unless: int | None = None) -> Iterator[None]:
    """Tell what the cluster refuses from what it could not do now; let one status pass."""
    try:
        yield
    except ApiException as error:
        if error.status == unless:
            return
        if 400 <= (error.status or 0) < 500 and error.status not in _BUSY:
            raise CannotLaunch(f"Kubernetes refuses: {_message(error)}") from error
        raise ConnectionError(f"Kubernetes failed: {_message(error)}") from error
    except urllib3.exceptions.HTTPError as error:
        raise ConnectionError(f"Kubernetes does not answer: {error}") from error


def _message(error: ApiException) -> str:
    try:
        return str(json.loads(error.body or "")["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
