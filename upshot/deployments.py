"""Deployments and their runs, where users of Prefect import them from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upshot.flows import (
        ConcurrencyLimitConfig as ConcurrencyLimitConfig,
        Deployment as Deployment,
        arun_deployment as arun_deployment,
        deploy as deploy,
        run_deployment as run_deployment,
        serve as serve,
    )
else:
    from upshot.flows import __getattr__ as __getattr__
