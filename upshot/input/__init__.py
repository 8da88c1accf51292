"""Forms and messages for runs, where users of Prefect import them from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upshot.flows import (
        RunInput as RunInput,
        receive_input as receive_input,
        send_input as send_input,
    )
else:
    from upshot.flows import __getattr__ as __getattr__
