"""Serving tasks that run in the background, where users of Prefect import it from."""

from upshot.flows.deployments.serving import serve_tasks

serve = serve_tasks
