"""Forms and messages for runs, where users of Prefect import them from."""

from upshot.flows import (
    RunInput as RunInput,
    receive_input as receive_input,
    send_input as send_input,
)
