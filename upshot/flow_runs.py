"""Pauses of runs, where users of Prefect import them from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upshot.flows import (
        apause_flow_run as apause_flow_run,
        aresume_flow_run as aresume_flow_run,
        asuspend_flow_run as asuspend_flow_run,
        pause_flow_run as pause_flow_run,
        resume_flow_run as resume_flow_run,
        suspend_flow_run as suspend_flow_run,
        wait_for_flow_run as wait_for_flow_run,
    )
else:
    from upshot.flows import __getattr__ as __getattr__
