"""Holds ``upshot.testing.utilities``."""
