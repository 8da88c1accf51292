"""Loggers of runs, where users of Prefect import them from."""

from logging import getLogger as getLogger

from upshot.flows import get_run_logger as get_run_logger
from upshot.flows.logs.capturing import disable_run_logger as disable_run_logger

get_logger = getLogger  # what any logger says stands in the log of the run
