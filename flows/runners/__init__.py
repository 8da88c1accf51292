"""Task runners: where the tasks that a flow submits run; one kind, one file."""
