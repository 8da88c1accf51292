"""Flow runs under way: how one begins, is carried out, is stopped, and ends."""
