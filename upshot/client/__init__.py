"""Holds what users of Prefect import from ``client``."""
