"""Logs: what runs log and print, from where it arises to the journal."""
