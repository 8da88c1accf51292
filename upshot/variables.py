"""Variables, where users of Prefect import them from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upshot.flows import Variable as Variable
else:
    from upshot.flows import __getattr__ as __getattr__
