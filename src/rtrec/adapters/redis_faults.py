"""What redis-py raises, as callers of a store know it.

- `StoreAway`: unreachable, late, loading, out of memory, demoted, without quorum: the caller tries again later.
- `StoreRefused`: password, rights, certificate or version: somebody has to change something first.
- `StoreTorn`: what is stored cannot be relied on; somebody has to rebuild it.
- Anything else is a fault of ours and stays what it is.
"""

import re
from typing import Final

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    ClusterError,
    ConnectionError,  # noqa: A004 - redis-py's; Python's is an OSError, and none of these is
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    TimeoutError,  # noqa: A004
    TryAgainError,
)

from rtrec.ports import StoreAway

_REFUSED: Final = (AuthenticationError, AuthorizationError, NoPermissionError)
_AWAY: Final = (
    AskError, ClusterError, ConnectionError, OutOfMemoryError, ReadOnlyError, RedisClusterException, TimeoutError,
    TryAgainError,
)  # fmt: skip
# Codes without a class of their own; before Redis 7 a script's errors have theirs inside: "… call to f_…: -OOM …".
_CODES: Final = re.compile(
    r"(?:^|: |-)(BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|OOM|READONLY|TRYAGAIN|UNKILLABLE) "
)


class StoreRefused(PermissionError):
    """The store does not let us in, or cannot be used; trying again alone does not help."""


class StoreTorn(RuntimeError):
    """A server has loaded a part of a commit: this owner's state has to be rebuilt."""


def known(error: Exception, where: str) -> OSError | None:
    """The error as callers know it; None for one that is a fault of ours.

    >>> known(ResponseError("MISCONF Redis is configured to save RDB snapshots, but …"), "redis at db:6379")
    StoreAway('redis at db:6379: MISCONF Redis is configured to save RDB snapshots, but …')
    """
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return StoreRefused(f"{where} shows a certificate that is not trusted (redis.cafile): {error}")
    if isinstance(error, _REFUSED):
        return StoreRefused(f"{where} refuses us (user and password of redis.url): {error}")
    if isinstance(error, _AWAY) or (isinstance(error, ResponseError) and _CODES.search(str(error))):
        return StoreAway(f"{where}: {error}")
    return None


def is_demoted(error: Exception) -> bool:
    """Whether the server is a replica now: whoever took its place answers under the same name."""
    return isinstance(error, ReadOnlyError) or "-READONLY " in str(error)
