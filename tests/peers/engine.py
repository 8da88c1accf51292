"""A container engine of its own: Podman, which speaks Docker's API, on a socket in a folder.

Its image is made here and holds next to nothing; Python and Upshot are this machine's, mounted.
"""

from __future__ import annotations

import io
import resource
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import DockerException

from tests.peers.processes import ROOT, program, running, wait_for

IMAGE = "localhost/flows:1"
_FOLDERS = ("dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var/tmp")
_LINKS = ("bin", "lib", "lib64", "sbin")

# No network of its own, and limits that may be set without being allowed to raise any.
_CONFIGURATION = """
[containers]
netns = "host"
init_path = "{init}"
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


@dataclass(frozen=True)
class Engine:
    """A running engine.

    Attributes:
        url: of its socket, as ``DOCKER_HOST`` has it. client: talks to it.
    """

    url: str
    client: docker.DockerClient

    def states(self) -> dict[str, str]:
        """Return how the containers of runs are, by name."""
        listed = self.client.api.containers(all=True, filters={"label": "upshot.run"})
        return {each["Names"][0].lstrip("/"): each["State"] for each in listed}

    def clear(self) -> None:
        """Remove every container."""
        for each in self.client.api.containers(all=True):
            self.client.api.remove_container(each["Id"], v=True, force=True)


def job(folder: Path) -> dict[str, Any]:
    """Return job variables of containers that run this machine's Python on flows in a folder."""
    here = (Path(sys.base_prefix), Path(sys.prefix), ROOT, folder)
    whole = {"/usr", *(str(each.resolve()) for each in here)}
    outermost = [each for each in sorted(whole) if not any(_within(each, it) for it in whole)]
    return {
        "image": IMAGE,
        "pull": "never",
        "command": [sys.executable, "-m", "upshot.flows"],
        "volumes": [f"{each}:{each}" for each in outermost],
    }


def _within(path: str, other: str) -> bool:
    return path != other and Path(path).is_relative_to(other)


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """Run an engine that keeps everything in a folder; remove its containers at the end."""
    configuration = folder / "containers.conf"
    configuration.write_text(_configuration())
    podman = (
        *("env", "-C", str(folder), f"CONTAINERS_CONF={configuration}", program("podman")),
        *("--root", str(folder / "images"), "--runroot", str(folder / "run")),
        *("--storage-driver", "vfs"),
    )
    archive = folder / "root.tar"
    archive.write_bytes(_root())
    made = (*podman, "import", str(archive), IMAGE)
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    _require_containers((*podman, "run", "--rm", "-v", "/usr:/usr:ro", IMAGE, "true"))
    url = f"unix://{folder}/api"
    with running(folder / "engine.log", *podman, "system", "service", "-t", "0", url):
        client = wait_for("the engine", lambda: _answering(url))
        started = Engine(url, client)
        try:
            yield started
        finally:
            started.clear()
            client.close()


def _require_containers(command: tuple[str, ...]) -> None:
    """Fail plainly where no container can be started: a skipped engine proves nothing."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        pytest.fail(f"no container can be started here: {done.stderr.strip()[-300:]}")


def _configuration() -> str:
    limits = {"files": resource.RLIMIT_NOFILE, "processes": resource.RLIMIT_NPROC}
    hard = {name: resource.getrlimit(each)[1] for name, each in limits.items()}
    allowed = {name: 4096 if each < 0 else min(each, 4096) for name, each in hard.items()}
    return _CONFIGURATION.format(init=program("catatonit"), **allowed)


def _root() -> bytes:
    """Return an archive of folders to mount to, and of the links that programs are found by."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name in _FOLDERS:
            made = tarfile.TarInfo(name)
            made.type, made.mode = tarfile.DIRTYPE, 0o1777 if name.endswith("tmp") else 0o755
            archive.addfile(made)
        for name in _LINKS:
            made = tarfile.TarInfo(name)
            made.type, made.linkname = tarfile.SYMTYPE, f"usr/{name}"
            archive.addfile(made)
        users = b"root:x:0:0::/root:/bin/sh\n"
        made = tarfile.TarInfo("etc/passwd")
        made.size = len(users)
        archive.addfile(made, io.BytesIO(users))
    return written.getvalue()


def _answering(url: str) -> docker.DockerClient | None:
    try:
        return docker.DockerClient(base_url=url, version="auto")
    except DockerException:
        return None
