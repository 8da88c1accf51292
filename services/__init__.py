"""The processes: what acts on the log, and what people touch."""
