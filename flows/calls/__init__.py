"""Calls: what a user's function is given, how long it may take, and what comes of it."""
