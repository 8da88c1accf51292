"""Joining: how code that no worker started gets to a store, and definitions that it changes there."""
