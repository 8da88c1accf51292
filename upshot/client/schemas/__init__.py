"""Holds ``objects``."""
