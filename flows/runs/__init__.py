"""Flow runs as the store keeps them: read, changed, and how they may change."""
