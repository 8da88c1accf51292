"""Task runs: one call of a task within a flow run, from its arguments to its end."""
