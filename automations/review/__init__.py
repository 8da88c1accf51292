"""Review: what is noticed about definitions when they are saved."""
