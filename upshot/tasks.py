"""Tasks, where users of Prefect import them from."""

from upshot.flows import (
    MaterializingTask as MaterializingTask,
    Task as Task,
    exponential_backoff as exponential_backoff,
    task as task,
    task_input_hash as task_input_hash,
)
