"""Annotations of arguments, where users of Prefect import them from."""

from upshot.flows import allow_failure as allow_failure, quote as quote, unmapped as unmapped
