"""Transactions: what belongs together is committed together, or undone."""
