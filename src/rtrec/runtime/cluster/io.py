"""What workers need of the world, given by whoever starts them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from rtrec.ports import FollowedStore
from rtrec.runtime.cluster.gathered import Gathered
from rtrec.settings import Settings
from rtrec.stages.hops.hop import Message
from rtrec.stages.messages import Record


class Side(Protocol):
    """Topics beside the main one, read by partition without a group; see `sides`."""

    def since(self, topic: str, partition: int, offset: int) -> list[Record]:
        """What is at hand of a topic from an offset on."""


class Io(NamedTuple):
    """calls: of the store, for what every turn asks. publish: returns offsets when every message is acknowledged.

    restart: (reason) → the process begins anew.
    """

    settings: Settings
    store: FollowedStore
    calls: Gathered
    publish: Callable[[Sequence[Message]], Awaitable[list[int]]]
    side: Side
    now_ms: Callable[[], int]
    restart: Callable[[str], None]
