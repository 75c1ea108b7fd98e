"""What goes wrong with Kafka is one of two kinds, and says what to do."""

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator

import aiokafka.errors as aio
import kafka.errors as sync
import pytest

from rtrec.adapters.kafka_faults import KafkaAway, KafkaRefused, probe_now, worded, wording
from rtrec.adapters.kafka_settings import for_aiokafka
from rtrec.ports import LogAway
from rtrec.settings_cluster import Kafka

untrusted = ssl.SSLCertVerificationError(1, "certificate verify failed")
untrusted.verify_message = "self-signed certificate"


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(111, "refused"), "is it up"),
        (ConnectionResetError(), "kafka.security is wrong"),
        (aio.KafkaConnectionError("Connection at a:1 closed"), "kafka.security is wrong"),
        (aio.KafkaConnectionError("Unable to bootstrap"), "Unable to bootstrap"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (TimeoutError(), "in time"),
        (sync.KafkaTimeoutError("Timed out"), "in time"),
        (sync.NodeNotReadyError(1), "NodeNotReadyError"),
        (aio.NotEnoughReplicasError(), "NotEnoughReplicas"),
        (aio.OutOfOrderSequenceNumber(), "OutOfOrderSequenceNumber"),
        (aio.ProducerFenced(), "ProducerFenced"),
    ],
)
def test_what_may_pass_is_away(error: Exception, said: str) -> None:
    found = worded(error, "a:1")
    assert isinstance(found, KafkaAway)
    assert isinstance(found, LogAway)
    assert str(found).startswith("a:1: ")
    assert said in str(found)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (untrusted, "kafka.cafile"),
        (ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED]"), "kafka.certfile"),
        (aio.SaslAuthenticationFailed("Authentication failed"), "kafka.password"),
        (sync.SaslAuthenticationFailedError("Authentication failed"), "kafka.password"),
        (aio.UnsupportedSaslMechanismError("no PLAIN"), "kafka.sasl_mechanism"),
        (aio.IllegalSaslStateError(), "asks for no login"),
        (aio.TopicAuthorizationFailedError("events"), "may not do this"),
        (sync.ClusterAuthorizationFailedError(), "may not do this"),
        (aio.MessageSizeTooLargeError(), "max.message.bytes"),
        (sync.UnknownTopicOrPartitionError(), "rtrec topics create"),
        (sync.PolicyViolationError("no"), "PolicyViolationError"),
    ],
)
def test_what_will_not_pass_is_refused_and_says_what_to_do(error: Exception, said: str) -> None:
    found = worded(error, "a:1")
    assert isinstance(found, KafkaRefused)
    assert said in str(found)


def test_a_fault_of_ours_stays_what_it_is() -> None:
    with pytest.raises(ValueError, match="ours"), wording("a:1"):
        raise ValueError("ours")
    with pytest.raises(KafkaAway, match=r"^b:2 said it$"), wording("a:1"):
        raise KafkaAway("b:2 said it")
    with pytest.raises(KafkaAway, match="a:1") as caught, wording("a:1"):
        raise ConnectionRefusedError(111, "refused")
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_a_port_where_nobody_listens_is_said_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    with pytest.raises(KafkaAway, match=rf"127\.0\.0\.1:{free}: no broker answers"):
        probe_now(for_aiokafka(Kafka(bootstrap=f"127.0.0.1:{free}")))


def test_a_server_that_says_nothing_is_waited_for_no_longer_than_told(silent: str) -> None:
    began = time.monotonic()
    with pytest.raises(KafkaAway, match="in time"):
        probe_now(for_aiokafka(Kafka(bootstrap=silent)), timeout_ms=300)
    assert time.monotonic() - began < 5


def test_one_broker_that_answers_is_enough(kafka: str) -> None:
    probe_now(for_aiokafka(Kafka(bootstrap=f"127.0.0.1:1,{kafka}")))


async def _inside(kafka: str) -> None:
    probe_now(for_aiokafka(Kafka(bootstrap=kafka)))


def test_it_can_be_asked_inside_an_event_loop(kafka: str) -> None:
    asyncio.run(_inside(kafka))
