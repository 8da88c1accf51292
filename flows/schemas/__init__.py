"""Schemas of flows' parameters: made where the code is, kept with deployments, checked anywhere."""
