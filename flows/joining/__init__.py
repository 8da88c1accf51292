"""Joining: how code that no worker started gets to a store, and to definitions there."""
