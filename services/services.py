"""`python3 services/services.py start|stop|status`: what `make services` and `make services-down` call."""

import sys
from pathlib import Path


def main() -> int:
    """Make this folder's parent the place that `services` is imported from, and run the command."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from services.command import run  # noqa: PLC0415 - a script's own folder hides the package until the line above

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
