"""Holds ``upshot.utilities.annotations``, where users of Prefect import annotations from."""
