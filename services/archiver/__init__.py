"""The archiver service: projects the log into the database, so that the log can be trimmed."""

from .service import run

__all__ = ["run"]
