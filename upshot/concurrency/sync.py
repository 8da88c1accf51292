"""Limits in plain functions, where users of Prefect import them from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upshot.flows import concurrency as concurrency, rate_limit as rate_limit
else:
    from upshot.flows import __getattr__ as __getattr__
