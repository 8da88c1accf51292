"""What a program that a runner starts is told of its run: variables that ``upshot.flows`` reads."""

from __future__ import annotations

from typing import Final

from upshot.flows.flowruns.started import EPOCH, FETCH, LEASE, RUN, STORE

from .base import Launch

MODULE: Final = "upshot.flows"
"""What ``python -m`` runs to execute the run that the environment names."""


def variables(
    launch: Launch, store_url: str, lease_ms: int, *, fetches: bool = False
) -> dict[str, str]:
    """Return the variables that name a run, and the store that it is in.

    Args:
        fetches: whether its process is to fetch the code.
    """
    return {
        RUN: launch.run.id,
        EPOCH: str(launch.run.epoch),
        LEASE: str(lease_ms),
        STORE: store_url,
        **({FETCH: "1"} if fetches else {}),
    }
