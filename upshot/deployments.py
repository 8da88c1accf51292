"""Deployments and their runs, where users of Prefect import them from."""

from upshot.flows import (
    ConcurrencyLimitConfig as ConcurrencyLimitConfig,
    Deployment as Deployment,
    arun_deployment as arun_deployment,
    deploy as deploy,
    run_deployment as run_deployment,
    serve as serve,
)
