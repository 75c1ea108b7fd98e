"""The command: `start`, `stop` and `status` of the set in `.services/`."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from services.process import ServiceError
from services.service_set import SERVICES, ServiceSet

USAGE = "Local Kafka, Redis and Redis Cluster; `start` writes the file `env` with their addresses."


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say; the exit code."""
    parser = argparse.ArgumentParser(prog="services.py", description=USAGE)
    parser.add_argument("command", choices=["start", "stop", "status"])
    parser.add_argument("--folder", type=Path, default=SERVICES, help="where they live (default: .services)")
    parser.add_argument("--wipe", action="store_true", help="with stop: delete their data too")
    options = parser.parse_args(arguments)
    services = ServiceSet(options.folder)
    try:
        if options.command == "start":
            _start(services)
        elif options.command == "stop":
            _stop(services, wipe=options.wipe)
        else:
            say(json.dumps(services.state, indent=1))
    except ServiceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _start(services: ServiceSet) -> None:
    began = time.monotonic()
    started = services.start()
    seconds = f" in {time.monotonic() - began:.1f} s"
    say(f"started {', '.join(started)}{seconds}" if started else "already running: nothing to start")
    for name, address in services.env.items():
        say(f"  {name}={address}")
    say(f"use them with: . {services.folder / 'env'}")


def _stop(services: ServiceSet, *, wipe: bool) -> None:
    ran = services.stop()
    say(f"stopped {', '.join(ran)}" if ran else "nothing was running")
    if wipe:
        services.wipe()
        say("their data is deleted")


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")
