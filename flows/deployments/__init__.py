"""Deployments: flows that workers can run, where their code lies, and runs elsewhere."""
