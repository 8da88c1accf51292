"""Runs and states as hooks get them, where users of Prefect import them from."""

from upshot.flows.runs.flowrun import FlowRun as FlowRun
from upshot.flows.states import State as State, StateType as StateType
from upshot.flows.taskruns.taskrun import TaskRun as TaskRun
