"""Waiting: for people, for input and for events, without a process where it takes long."""
