"""Trying: tests beside rules, backtests over the past, and why one fires or does not."""
