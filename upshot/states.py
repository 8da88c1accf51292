"""States, where users of Prefect import them from."""

from upshot.flows import (
    Cancelled as Cancelled,
    Completed as Completed,
    Crashed as Crashed,
    Failed as Failed,
    State as State,
    StateType as StateType,
)
