"""Templates: strangers' texts over the events of a firing, sandboxed and bounded."""
