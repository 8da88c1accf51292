"""Definitions: ``@flow`` and ``@task``, what they take, and how they are found again."""
