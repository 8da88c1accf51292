"""What containers of runs have in common, wherever they are: names, labels, sizes, addresses."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from upshot.services.endings import describe_exit

from ...exceptions import CannotLaunch
from .base import Launch
from .remote import Found

RUN: Final = "upshot.run"
EPOCH: Final = "upshot.epoch"
POOL: Final = "upshot.pool"

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SIGNALLED: Final = range(129, 193)
_SAID_CHARACTERS: Final = 300
_FACTORS: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}


def name_of(launch: Launch) -> str:
    """Return the name of a run's container: another one each time that the run is taken."""
    return f"upshot-{launch.run.id}-{launch.run.epoch}"


def labels_of(launch: Launch, pool: str) -> dict[str, str]:
    """Return the labels that tell which run a container is for."""
    return {RUN: launch.run.id, EPOCH: str(launch.run.epoch), POOL: pool}


def size(quantity: str) -> int:
    """Return bytes: ``512m``, ``512M`` and ``512Mi`` all mean 512 times 1,048,576."""
    number = quantity.rstrip("kKmMgGtTpPibB")
    unit = quantity[len(number) : len(number) + 1].lower()
    return int(float(number) * _FACTORS["" if unit == "b" else unit])


def how_ended(code: int, said: str = "", why: str = "") -> Found:
    """Return how a container ended.

    Args:
        code: its exit code, which counts signals from 128 on. said: what it printed last.
        why: it ended so, where its platform knows.
    """
    code = 128 - code if code in _SIGNALLED else code
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if not why and code > 0 and lines:
        why = f"{describe_exit(code)}; it said last: {lines[-1][:_SAID_CHARACTERS]}"
    return Found(ended=True, code=code, why=why)


def require_reachable(store_url: str, where: str) -> None:
    """Do nothing where a store can be reached from another machine.

    Raises:
        CannotLaunch: it can not, and what to do.
    """
    parts = urlsplit(store_url)
    if parts.scheme == "unix" or parts.hostname in _LOOPBACK:
        raise CannotLaunch(
            f"the store is at an address that {where} can't reach: let Upshot use a server on the "
            "network (redis_url)"
        )
