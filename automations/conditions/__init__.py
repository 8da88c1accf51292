"""Conditions: what must hold when an automation is about to fire, and what they look up."""
