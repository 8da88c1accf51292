"""Data: what runs leave for people and for each other, artifacts and assets."""
