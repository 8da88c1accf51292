"""Limits: on how much is under way at a time, and on how much begins in a time."""
