"""The scheduler service: what is due goes to its queue, what nobody finished to somebody else."""

from .service import run

__all__ = ["run"]
