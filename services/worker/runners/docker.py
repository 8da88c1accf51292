"""Runs as Docker containers, through the official client: ``pip install 'upshot[docker]'``."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from upshot.flows.deployments.jobs import DockerJob
from upshot.services.endings import describe_exit

from ...exceptions import CannotLaunch
from .base import Launch
from .containers import POOL, how_ended, labels_of, name_of, require_reachable, size
from .remote import Found
from .started import variables

_ENDED: Final = frozenset({"exited", "dead"})
_CONFLICT: Final = 409
_LEFT_SECONDS: Final = 60.0
_LAST_LINES: Final = 20
_KILLED: Final = 128 + signal.SIGKILL

# Engines other than Docker itself, and pulls, tell of everything by the same status.
_REFUSED: Final = re.compile(
    "executable file not found|no such file or directory|not a directory|permission denied|"
    "unable to find user|invalid reference|(manifest|name) unknown|not found|unauthorized|"
    "authentication required|access .*denied",
    re.IGNORECASE,
)
_THERE: Final = re.compile("name .* (is already|already is) in use", re.IGNORECASE)
_OVER: Final = re.compile("is not running|only kill running", re.IGNORECASE)


def rendered(
    launch: Launch, pool: str, store_url: str, lease_ms: int, data_dir: Path | None
) -> dict[str, Any]:
    """Return what the client's ``containers.create`` takes for a run.

    Args:
        data_dir: folder of results and fetched code, where Docker runs on this machine.

    Raises:
        CannotLaunch: the container could not reach the store.
    """
    spec = launch.spec
    assert isinstance(spec, DockerJob)
    local = {"UPSHOT_DATA_DIR": str(data_dir)} if data_dir is not None else {}
    told = variables(launch, store_url, lease_ms, fetches="source" in launch.run.launch)
    options: dict[str, Any] = {
        "image": spec.image,
        "command": spec.command,
        "name": name_of(launch),
        "labels": {**spec.labels, **labels_of(launch, pool)},
        "environment": {**local, **spec.env, **told},
        "volumes": [*spec.volumes, *_folders(spec, store_url, data_dir)],
        "init": True,  # ends what a flow process leaves behind, and passes signals on
        "network": spec.network,
        "user": spec.user,
        "nano_cpus": spec.cpu and int(spec.cpu * 1_000_000_000),
        "mem_limit": spec.memory and size(spec.memory),
    }
    return {name: value for name, value in options.items() if value not in (None, [])}


def _folders(spec: DockerJob, store_url: str, data_dir: Path | None) -> list[str]:
    folders = [] if data_dir is None else [data_dir / "results", data_dir / "code"]
    address = urlsplit(store_url)
    if address.scheme == "unix" and data_dir is not None:
        folders.append(Path(address.path).parent)
    elif spec.network != "host":
        require_reachable(store_url, "a container")
    return [f"{folder}:{folder}" for folder in folders]


class DockerPlatform:
    """The Docker that the environment names (``DOCKER_HOST``), or the one on this machine.

    Args:
        client: of that Docker. pool: whose runs. store_url, lease_ms: for the flow processes.
        data_dir: this worker's.
    """

    def __init__(
        self, client: docker.DockerClient, pool: str, store_url: str, lease_ms: int, data_dir: Path
    ) -> None:
        self._client = client
        self._pool = pool
        self._store_url = store_url
        self._lease_ms = lease_ms
        self._left: dict[str, float] = {}
        self._data_dir = data_dir if "docker" in client.api.base_url else None  # a local socket

    def start(self, launch: Launch) -> str:
        options = rendered(launch, self._pool, self._store_url, self._lease_ms, self._data_dir)
        spec = launch.spec
        assert isinstance(spec, DockerJob)
        if self._data_dir is not None:
            for name in ("results", "code"):  # Docker would make them as root
                (self._data_dir / name).mkdir(parents=True, exist_ok=True)
        with _told():
            if spec.pull == "always":
                self._pull(spec.image)
            self._create(options, spec)
            self._start(options["name"])
        return str(options["name"])

    def _create(self, options: dict[str, Any], spec: DockerJob) -> None:
        """Create the container; one that an earlier try has created will do."""
        try:
            self._client.containers.create(**options)
        except ImageNotFound:
            if spec.pull != "missing":
                raise
            self._pull(spec.image)
            self._client.containers.create(**options)
        except APIError as error:
            if error.status_code != _CONFLICT and not _THERE.search(_said(error)):
                raise

    def _pull(self, image: str) -> None:
        """Fetch an image; what goes wrong once that has begun is told among its progress."""
        for told in self._client.api.pull(image, stream=True, decode=True):
            if "error" in told:
                raise APIError(f"{image} can't be pulled: {told['error']}")

    def _start(self, name: str) -> None:
        try:
            self._client.api.start(name)
        except APIError:
            self.remove(name)  # the next try has a name of its own
            raise

    def look(self, names: set[str]) -> Mapping[str, Found]:
        with _told():
            labelled = {"label": f"{POOL}={self._pool}"}
            listed = self._client.api.containers(all=True, filters=labelled)
            known = {each["Names"][0].lstrip("/"): each for each in listed}
            self._remove_left(known.keys() - names, known)
            return {name: self._found(known[name]) for name in names & known.keys()}

    def _remove_left(self, others: set[str], known: dict[str, dict[str, Any]]) -> None:
        """Remove what ended a while ago, or never began, and whose worker left before."""
        now = time.monotonic()
        ended = {name for name in others if known[name]["State"] in {*_ENDED, "created"}}
        self._left = {name: self._left.get(name, now) for name in ended}
        for name in [each for each, since in self._left.items() if now - since > _LEFT_SECONDS]:
            self.remove(name)

    def _found(self, listed: dict[str, Any]) -> Found:
        if listed["State"] not in _ENDED:
            return Found(running=listed["State"] == "running")
        seen = self._client.api.inspect_container(listed["Id"])
        state = seen["State"]
        why = _out_of_memory(seen) or state.get("Error") or ""
        said = self._last_words(listed["Id"]) if state["ExitCode"] and not why else ""
        return how_ended(state["ExitCode"], said, why)

    def _last_words(self, container: str) -> str:
        try:
            text: bytes = self._client.api.logs(container, tail=_LAST_LINES)
        except APIError:  # its driver keeps none
            return ""
        return text.decode(errors="replace")

    def stop(self, name: str) -> None:
        self._signal(name, "SIGTERM")

    def kill(self, name: str) -> None:
        self._signal(name, "SIGKILL")

    def _signal(self, name: str, which: str) -> None:
        with _told(), suppress(NotFound):
            try:
                self._client.api.kill(name, which)
            except APIError as error:
                if not _OVER.search(_said(error)):
                    raise

    def remove(self, name: str) -> None:
        with _told(), suppress(NotFound):
            self._client.api.remove_container(name, v=True, force=True)


def _out_of_memory(seen: dict[str, Any]) -> str:
    """Tell whether memory was lacking; not every engine says so of a process within a container."""
    limit = seen.get("HostConfig", {}).get("Memory")
    if seen["State"].get("OOMKilled"):
        return "its container ran out of memory"
    if seen["State"]["ExitCode"] == _KILLED and limit:
        return f"{describe_exit(-signal.SIGKILL)}; it may have needed more than {limit:,} bytes"
    return ""


def connected() -> docker.DockerClient:
    """Return a client of the Docker that the environment names.

    Raises:
        OSError: it does not answer.
    """
    try:
        return docker.from_env()
    except DockerException as error:
        raise ConnectionError(f"Docker does not answer: {error}") from error


@contextmanager
def _told() -> Iterator[None]:
    """Tell what Docker refuses from what it could not do now."""
    try:
        yield
    except APIError as error:
        if error.is_client_error() or _REFUSED.search(_said(error)):
            raise CannotLaunch(f"Docker refuses: {_said(error)}") from error
        raise ConnectionError(f"Docker failed: {_said(error)}") from error
    except DockerException as error:
        raise ConnectionError(f"Docker does not answer: {error}") from error


def _said(error: APIError) -> str:
    return str(error.explanation or error)
