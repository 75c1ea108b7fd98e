"""What goes wrong with Kafka, in words that say what to do about it.

Rules
-----
- Two kinds. `KafkaAway`: the same call may work later, so hosts retry. `KafkaRefused`: it will not until a
  person changes something.
- Clients hide why they cannot connect: aiokafka logs the cause and raises "unable to bootstrap", kafka-python
  retries a wrong password until its timeout. `probe` connects by hand, and its error names the cause.
- The clients' errors are told apart by the names they share, so that neither client is imported for the other's.
"""

import asyncio
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

from rtrec.ports import LogAway

PROBE_MS: Final = 10_000

_LOGIN: Final = "the broker refuses the login of kafka.username: check it, kafka.password and kafka.sasl_mechanism"
GRANT: Final = "kafka.username may not do this: grant it (docs/operations.md lists what is needed)"
_ADVICE: Final = {
    "SaslAuthenticationFailed": _LOGIN,
    "SaslAuthenticationFailedError": _LOGIN,
    "AuthenticationFailedError": _LOGIN,
    "UnsupportedSaslMechanismError": "the broker does not offer kafka.sasl_mechanism here",
    "IllegalSaslStateError": "the broker asks for no login on this port: kafka.security is SSL or PLAINTEXT here",
    "TopicAuthorizationFailedError": GRANT,
    "GroupAuthorizationFailedError": GRANT,
    "ClusterAuthorizationFailedError": GRANT,
    "MessageSizeTooLargeError": "the message is larger than its topic's max.message.bytes: `rtrec topics create` says "
    "what it should be",
    "RecordListTooLargeError": "the batch is larger than its topic's segment.bytes",
    "UnknownTopicOrPartitionError": "the topic or partition is not there: `rtrec topics create` makes it",
    "InvalidTopicError": "the topic's name is not one: see cluster.namespace and cluster.sources",
    "UnsupportedCodecError": "a codec's library is missing: install rtrec-live[cluster]",
}
_CLIENTS: Final = ("aiokafka.", "kafka.")
_TRANSIENT: Final = frozenset(
    {
        # A producer whose sequence broke, or whose sender ended: the next one begins anew.
        "OutOfOrderSequenceNumber", "KafkaError", "ProducerFenced", "InvalidProducerEpoch", "UnknownProducerId",
        "ProducerClosed", "BrokerNotAvailableError", "NoBrokersAvailable", "UnknownBrokerIdError", "UnknownError",
        "Cancelled",
    }
)  # fmt: skip


class KafkaAway(LogAway):
    """No broker does it now; the same call may work later."""


class KafkaRefused(PermissionError):
    """A broker or our own settings say no, and will until somebody acts on the message."""


def worded(error: BaseException, where: str) -> KafkaAway | KafkaRefused:
    """A client's error as one of ours.

    Parameters
    ----------
    where: what it begins with: the brokers, a topic and partition.

    >>> worded(ConnectionRefusedError(111, "Connect call failed"), "a:9092")
    KafkaAway('a:9092: no broker answers: Connect call failed; is it up, is kafka.bootstrap right?')
    """
    if isinstance(error, KafkaAway | KafkaRefused):
        return error
    name, said = type(error).__name__, _said(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return KafkaRefused(
            f"{where}: the broker's certificate is not accepted ({error.verify_message}): kafka.cafile must name the "
            "authority that signed it, and kafka.bootstrap the host that it is for"
        )
    if isinstance(error, ssl.SSLError):
        return KafkaRefused(
            f"{where}: TLS failed ({said}): is kafka.security right for this port, does the broker ask for "
            "kafka.certfile?"
        )
    if name in _ADVICE:
        return KafkaRefused(f"{where}: {_ADVICE[name]} ({said})")
    if isinstance(error, TimeoutError) or name in ("KafkaTimeoutError", "RequestTimedOutError"):
        return KafkaAway(f"{where}: no answer in time: {said}")
    if isinstance(error, ConnectionResetError) or (name == "KafkaConnectionError" and said.endswith("closed")):
        return KafkaAway(f"{where}: the connection was closed ({said}); if the broker is up, kafka.security is wrong")
    if isinstance(error, OSError):
        return KafkaAway(f"{where}: no broker answers: {said}; is it up, is kafka.bootstrap right?")
    kind = KafkaAway if getattr(error, "retriable", False) or name in _TRANSIENT else KafkaRefused
    return kind(f"{where}: {name}: {said}")


@contextmanager
def wording(where: str) -> Iterator[None]:
    """Raise clients' errors as ours, and let those pass that are faults of ours."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, OSError) and not type(error).__module__.startswith(_CLIENTS):
            raise
        raise worded(error, where) from error


async def probe(arguments: dict[str, Any], timeout_ms: int = PROBE_MS) -> None:
    """Connect to any of the brokers as a client would, and let go; raises what the first of them said otherwise.

    Parameters
    ----------
    arguments: what `kafka_settings.for_aiokafka` gives.
    """
    from aiokafka.conn import create_conn  # noqa: PLC0415 - for those who connect
    from aiokafka.protocol.metadata import MetadataRequest  # noqa: PLC0415

    faults = []
    options = {name: value for name, value in arguments.items() if name != "bootstrap_servers"}
    for server in arguments["bootstrap_servers"]:
        host, _, port = server.rpartition(":")
        try:
            connection = await create_conn(host.strip("[]"), int(port), request_timeout_ms=timeout_ms, **options)
            try:
                await connection.send(MetadataRequest([]))  # a broker that wants a login lets others come so far
            finally:
                connection.close()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is worded and raised
            faults.append(worded(error, server))
        else:
            return
    raise next((fault for fault in faults if isinstance(fault, KafkaRefused)), faults[0])


def probe_now(arguments: dict[str, Any], timeout_ms: int = PROBE_MS) -> None:
    """`probe` for code without an event loop (and, on a thread, for code inside one)."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, probe(arguments, timeout_ms)).result()


def _said(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text or type(error).__name__
