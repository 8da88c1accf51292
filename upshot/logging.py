"""Loggers of runs, where users of Prefect import them from."""

from upshot.flows import get_run_logger as get_run_logger
