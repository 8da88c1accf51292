"""Limits in coroutines, where users of Prefect import them from."""

from upshot.flows import concurrency as concurrency, rate_limit as rate_limit
