"""The API: events and webhooks in, everything Upshot knows out, over HTTP."""

from .app import create_app
from .guard import check_exposure
from .server import run

__all__ = ["check_exposure", "create_app", "run"]
