"""The run that code is in, where users of Prefect import it from."""

from upshot.flows import tags as tags
from upshot.flows.run_contexts import (
    FlowRunContext as FlowRunContext,
    TaskRunContext as TaskRunContext,
    get_run_context as get_run_context,
)
