"""Files: what people write, read whole, with every problem told where it stands."""
