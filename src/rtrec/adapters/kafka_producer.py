"""Messages to Kafka from any thread: a `Publisher` on an event loop of its own, in the background.

Rules
-----
- Nothing is connected before the first call, and a broker that is away later is come back to: callers get
  `KafkaAway` and may try again.
- Bounded: at most `buffer_bytes` wait for acknowledgement, counted until they are acknowledged, refused or given
  up on by who waited. `send` waits for room as long as it is told, then raises `BufferFull`.
- A call that is not answered in time raises `KafkaAway`; its messages may still be stored.
"""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import CancelledError, Future, wait
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from rtrec.adapters.kafka_faults import KafkaAway
from rtrec.adapters.kafka_publisher import RETIRE_S, Message, Publisher
from rtrec.ports import NewRecord
from rtrec.settings import Settings

BUFFER_BYTES: Final = 64 << 20
ANSWER_S: Final = 30.0
OVERHEAD_BYTES: Final = 512
"""What a message takes beside its bytes: its future, its task, its place in a batch."""

T = TypeVar("T")


class BufferFull(KafkaAway):
    """Too much waits for acknowledgement already: the broker is away, or slower than its producers."""


class BackgroundProducer:
    """An idempotent producer with acks=all for code without an event loop. Any thread may call any method."""

    def __init__(
        self, settings: Settings, *, compression: str | None = "snappy", buffer_bytes: int = BUFFER_BYTES
    ) -> None:
        self._publisher = Publisher(settings, compression)
        self._room = _Room(buffer_bytes)
        self._retire_s = RETIRE_S
        self._open: set[Future[Any]] = set()
        self._loop: asyncio.AbstractEventLoop
        self._ending: asyncio.Event
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="rtrec-kafka-producer", daemon=True)
        self._thread.start()
        started.wait()
        self._closing = threading.Lock()
        self._closed = False

    def send(
        self,
        topic: str,
        partition: int | None,
        key: bytes | None,
        value: bytes,
        headers: bytes | None = None,
        *,
        wait_s: float = 0.0,
    ) -> "Future[int]":
        """Begin to send a message; the future becomes its offset. Messages on their way together have no order.

        Parameters
        ----------
        wait_s: how long to wait for room before `BufferFull` is raised.
        """
        message = Message(topic, partition, value, headers, key)
        return self._begin(self._one(message), _size(message), wait_s)

    def send_all(self, messages: Sequence[Message], timeout_s: float = ANSWER_S) -> list[int]:
        """Send messages and return their offsets when all are acknowledged."""
        sent = self._publisher.publish(messages)
        return self._answer(self._begin(sent, sum(map(_size, messages)), timeout_s), timeout_s)

    def append(self, topic: str, partition: int, records: Sequence[NewRecord], timeout_s: float = ANSWER_S) -> int:
        """Add records (one at least) to a partition in one piece, durably; the first one's offset."""
        size = sum(len(one.value) + len(one.key or b"") + OVERHEAD_BYTES for one in records)
        appended = self._publisher.append(topic, partition, records)
        return self._answer(self._begin(appended, size, timeout_s), timeout_s)

    def partitions(self, topic: str, timeout_s: float = ANSWER_S) -> int:
        """How many partitions a topic has; LookupError for an unknown one."""
        return self._answer(self._begin(self._publisher.partitions(topic), 0, timeout_s), timeout_s)

    def close(self, timeout_s: float = RETIRE_S) -> None:
        """Wait a while for what is on its way, and end; futures of what is not acknowledged by then are cancelled."""
        with self._closing:
            first, self._closed = not self._closed, True
        if first:
            began_s = monotonic()
            wait(self._open, timeout_s)
            self._retire_s = max(0.0, timeout_s - (monotonic() - began_s))
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()
        for future in list(self._open):
            future.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, started: threading.Event) -> None:
        asyncio.run(self._serve(started))

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        started.set()
        await self._ending.wait()
        await self._publisher.stop(self._retire_s)

    async def _one(self, message: Message) -> int:
        return (await self._publisher.publish([message]))[0]

    def _begin(self, work: Coroutine[Any, Any, T], size: int, wait_s: float) -> "Future[T]":
        """Hand work to the loop when there is room for what it sends."""
        try:
            self._room.take(size, wait_s)
            with self._closing:
                if self._closed:
                    self._room.give(size)
                    raise KafkaAway("the producer is closed")  # noqa: TRY301 - the work must be closed, too
                future = asyncio.run_coroutine_threadsafe(work, self._loop)
                self._open.add(future)
        except BaseException:
            work.close()
            raise

        def ended(future: "Future[T]") -> None:
            self._room.give(size)
            self._open.discard(future)

        future.add_done_callback(ended)
        return future

    def _answer(self, future: "Future[T]", timeout_s: float) -> T:
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            raise KafkaAway(f"not acknowledged within {timeout_s:g} s; it may still be stored") from None
        except CancelledError:
            raise KafkaAway("the producer was closed before the answer; it may have been stored") from None


class _Room:
    """Bytes that may wait; whoever brings the first may bring any."""

    def __init__(self, most: int) -> None:
        self._most, self._taken = most, 0
        self._changed = threading.Condition()

    def take(self, size: int, wait_s: float) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: not self._taken or self._taken + size <= self._most, wait_s):
                raise BufferFull(f"{self._taken:,} of {self._most:,} bytes wait for a broker's acknowledgement")
            self._taken += size

    def give(self, size: int) -> None:
        with self._changed:
            self._taken -= size
            self._changed.notify_all()


def _size(message: Message) -> int:
    return len(message.value) + len(message.key or b"") + len(message.headers or b"") + OVERHEAD_BYTES
