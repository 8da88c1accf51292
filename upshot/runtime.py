"""What a run can ask about itself, where users of Prefect import them from."""

from upshot.flows.runtime import (
    deployment as deployment,
    flow_run as flow_run,
    task_run as task_run,
)
