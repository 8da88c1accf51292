"""Tasks, where users of Prefect import them from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upshot.flows import (
        MaterializingTask as MaterializingTask,
        Task as Task,
        exponential_backoff as exponential_backoff,
        task as task,
        task_input_hash as task_input_hash,
    )
else:
    from upshot.flows import __getattr__ as __getattr__
