"""Evaluation: the automations in force decide on events, at deadlines, and are watched at it."""
