"""Variables, where users of Prefect import them from."""

from upshot.flows import Variable as Variable
