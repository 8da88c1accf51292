"""Runs and states, where users of Prefect import them from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .objects import FlowRun as FlowRun, State as State, TaskRun as TaskRun
else:
    from .objects import __getattr__ as __getattr__
