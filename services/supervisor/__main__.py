"""The process behind `upshot up`, apart from the command line so that it stays small."""

from __future__ import annotations

import argparse
import sys

import structlog

from upshot.events.exceptions import EventsError
from upshot.events.settings import WrongSetting, load_settings
from upshot.services.exceptions import ServicesError
from upshot.services.logs import configure

from .supervisor import Supervisor

log = structlog.stdlib.get_logger(__name__)


def main() -> int:
    """Run everything until a signal comes; return the exit code."""
    parser = argparse.ArgumentParser(prog="upshot up")
    parser.add_argument("--pool", action="append", default=[])
    parser.add_argument("--apart", action="store_true")
    given = parser.parse_args()
    try:
        settings = load_settings()
        configure(settings, "supervisor")
        Supervisor(settings, tuple(given.pool), given.apart).run()
    except (ServicesError, EventsError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the command's own message
        return 2 if isinstance(error, WrongSetting) else 1
    except Exception:  # a fault of ours; everything else has been stopped
        log.exception("supervisor failed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
