"""The programs that services are made of, and what to install where one is missing."""

import shutil
from collections.abc import Iterable, Sequence

from services.process import MissingError

# Program → the Debian package that brings it.
PACKAGES = {
    "java": "default-jre-headless",  # Kafka 4 needs Java 17 or newer
    "mvn": "maven",
    "redis-server": "redis-server",
    "openssl": "openssl",
}
# Valkey is Redis by another name.
ALIASES = {"redis-server": ("redis-server", "valkey-server")}


def program(name: str) -> str:
    """The path of a program."""
    if found := find(name):
        return found
    raise MissingError(missing_message([name]))


def find(name: str) -> str | None:
    """The path of a program, or None."""
    return next((path for alias in ALIASES.get(name, (name,)) if (path := shutil.which(alias))), None)


def require(names: Iterable[str]) -> None:
    """Refuse with one message that names all of these programs that are not on the PATH."""
    if absent := [name for name in names if not find(name)]:
        raise MissingError(missing_message(absent))


def missing_message(names: Sequence[str]) -> str:
    """What to tell somebody who has not got them."""
    packages = " ".join(PACKAGES[name] for name in names)
    java = " (Java must be 17 or newer)" if "java" in names else ""
    return (
        f"local services need {', '.join(names)}, which {'is' if len(names) == 1 else 'are'} not on the PATH{java}; "
        f"on Debian or Ubuntu: apt-get install {packages}"
    )
