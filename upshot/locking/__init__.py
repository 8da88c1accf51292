"""Lock managers as users of Prefect write them; the store locks, for all machines, without them."""
