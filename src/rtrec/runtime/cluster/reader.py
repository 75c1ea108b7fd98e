"""Reading a cluster, while its stages work or not: what `show`, `hot`, `digest` and `deadletters` ask.

Rules
-----
- Records are read on demand, from the owners that hold them; `control` is read whole.
- A digest of weights is of the newest snapshot and all of `examples` after it: the same, whenever snapshots were made.
- A dead letter that was published twice is shown once: its key says where the original stood.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Self

from rtrec.adapters.kafka_log import KafkaLog
from rtrec.adapters.kafka_topics import DEAD_LETTERS
from rtrec.ports import EventLog, NewRecord, Owner
from rtrec.runtime.cluster.learn_worker import OWNER as LEARN
from rtrec.runtime.cluster.snapshots import Snapshots
from rtrec.runtime.cluster.wiring import now_ms, store_of
from rtrec.runtime.journey import canonical_state
from rtrec.runtime.knowledge import Knowledge
from rtrec.runtime.pages import read_all
from rtrec.runtime.reader import digest, letter_json, requeue
from rtrec.runtime.serving import Serving
from rtrec.settings import Settings
from rtrec.stages import control, learn
from rtrec.stages.dead_letters import DeadLetter
from rtrec.stages.heat import newest_of
from rtrec.stages.hops.label import EXAMPLES
from rtrec.stages.hops.learn import LearnHop
from rtrec.stages.hops.profile import CONTROL
from rtrec.stages.messages import Record
from rtrec.stages.publishing import KEY, shown


class ClusterReader:
    """What can be read of a cluster."""

    served = True
    """A cluster is taken to be at work: times default to now."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self._store, self._log = settings, store_of(settings), KafkaLog(settings)
        self.known = Knowledge(settings, self._store, now_ms, settings.cluster.partitions)
        self.known.control_changed([record.value for record in read_all(self._log, CONTROL, 0)])
        self.serving = Serving(self.known, lambda *_: None, lambda _: None)

    def newest_ms(self) -> int:
        """Newest accepted event time of all partitions, 0 before the first."""
        owners = [Owner("heat", partition) for partition in range(self.settings.cluster.partitions)]
        metas = [self._store.get(owner, ["meta"])[0] for owner in owners]
        return max((newest_of(meta) for meta in metas if meta is not None), default=0)

    def digest(self) -> dict[str, Any]:
        """SHA-256 over canonical state, whole and by part; to be compared between stages at rest."""
        return digest(self._canonical())

    def _canonical(self) -> Iterator[tuple[str, bytes]]:
        yield from canonical_state(self.settings, self._store.scan, self.settings.cluster.partitions)
        hop = learned(self.settings, self._log, self._store.offsets(LEARN).get(EXAMPLES, 0))
        yield from (("weights", part) for part in learn.canonical(hop.state))

    def dead_letters(self, limit: int, offset: int | None = None) -> list[dict[str, Any]]:
        """Dead letters from an offset on (None: from the oldest kept), each once, in the order they came."""
        found: dict[bytes | None, Record] = {}
        for record in read_all(self._log, DEAD_LETTERS, 0, offset or 0):
            found.setdefault(record.key, record)
            if len(found) == limit:
                break
        return [letter_json(record) for record in found.values()]

    def requeue(self, offsets: Iterable[int]) -> dict[str, Any]:
        """Append whole dead letters to the topic they stood in; others are refused with a reason."""
        return requeue(self._log, offsets, self._again)

    def _again(self, letter: DeadLetter) -> None:
        self._log.append(letter.topic, letter.partition, [NewRecord(letter.original)], now_ms())

    def rearm_learner(self) -> dict[str, Any]:
        """Tell the learner to publish again and take the present as right; the breaker as it stood before."""
        asked_ms, breaker = now_ms(), shown(self._store.get(LEARN, [KEY])[0])
        key, value = control.rearm_message(asked_ms)
        self._log.append(CONTROL, 0, [NewRecord(value, key)], asked_ms)
        return {"asked_ms": asked_ms, "breaker": breaker}

    def close(self) -> None:
        """Let go of the brokers."""
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def learned(settings: Settings, log: EventLog, committed: int) -> LearnHop:
    """The learner as of the end of `examples`: the newest snapshot up to an offset, and what came after it."""
    hop = LearnHop(settings, adopt=log.bounds(EXAMPLES, 0).start > 0)
    snapshot = Snapshots(settings.registry, settings.cluster.namespace).newest(committed)
    if snapshot is not None:
        hop.restore(snapshot)
    hop.take(list(read_all(log, EXAMPLES, 0, hop.next_offset)))
    return hop
