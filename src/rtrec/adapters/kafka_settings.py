"""Settings `kafka` as the keyword arguments of the three clients that are used: aiokafka, kafka-python, Faust.

Rules
-----
- One `ssl.SSLContext` for all of them, which checks name and authority; there is no way to switch that off.
- Faults of the settings themselves (a file that is not there, a login without a name) are `KafkaRefused`
  before anything is connected.
"""

import ssl
from typing import Any, Final

from rtrec.adapters.kafka_faults import KafkaRefused
from rtrec.settings_cluster import Kafka

DEFAULT_PORT: Final = 9092
CLIENT_ID: Final = "rtrec"
ANSWER_MS: Final = 10_000
"""How long kafka-python waits for an answer; 30 s by default, and a command would seem to hang."""
RECONNECT_MS: Final = 1_000
"""How long it waits at most before it tries again to connect; a broker that restarts is away for seconds."""


def servers(kafka: Kafka) -> list[str]:
    """The brokers to begin with, each as host:port.

    >>> servers(Kafka(bootstrap="a:1, b"))
    ['a:1', 'b:9092']
    """
    named = [one.strip() for one in kafka.bootstrap.split(",") if one.strip()]
    if not named:
        raise KafkaRefused("kafka.bootstrap is empty: name a broker there, or as RTREC_KAFKA=host:port")
    return [one if one.rpartition(":")[2].isdigit() and ":" in one else f"{one}:{DEFAULT_PORT}" for one in named]


def for_aiokafka(kafka: Kafka) -> dict[str, Any]:
    """Keyword arguments of `AIOKafkaProducer` and `AIOKafkaConsumer`."""
    return {"bootstrap_servers": servers(kafka), "client_id": CLIENT_ID, **security(kafka)}


def for_kafka_python(kafka: Kafka) -> dict[str, Any]:
    """Keyword arguments of `KafkaAdminClient`, `KafkaConsumer` and `KafkaProducer`."""
    return {
        "bootstrap_servers": servers(kafka),
        "client_id": CLIENT_ID,
        "bootstrap_timeout_ms": ANSWER_MS,
        "request_timeout_ms": ANSWER_MS,
        "reconnect_backoff_max_ms": RECONNECT_MS,
        **security(kafka),
    }


def for_faust(kafka: Kafka) -> dict[str, Any]:
    """Keyword arguments of `faust.App`: `broker` and `broker_credentials`.

    It imports Faust, which reads `sys.argv` then: for the runtime host of the stages alone.
    """
    from faust.auth import SASLCredentials, SSLCredentials  # noqa: PLC0415 - see above

    tls = _context(kafka)
    credentials: Any = None
    if _logs_in(kafka):
        credentials = SASLCredentials(
            username=kafka.username, password=kafka.password, ssl_context=tls, mechanism=kafka.sasl_mechanism
        )
    elif tls is not None:
        credentials = SSLCredentials(tls)
    return {"broker": [f"kafka://{one}" for one in servers(kafka)], "broker_credentials": credentials}


def security(kafka: Kafka) -> dict[str, Any]:
    """How brokers are spoken to, in the words that aiokafka and kafka-python share."""
    arguments: dict[str, Any] = {"security_protocol": kafka.security}
    tls = _context(kafka)
    if tls is not None:
        arguments["ssl_context"] = tls
    if _logs_in(kafka):
        arguments |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.username,
            "sasl_plain_password": kafka.password,
        }
    return arguments


def _logs_in(kafka: Kafka) -> bool:
    if not kafka.security.startswith("SASL_"):
        return False
    if not kafka.username or not kafka.password:
        raise KafkaRefused(f"kafka.security is {kafka.security}: kafka.username and kafka.password must be given")
    return True


def _context(kafka: Kafka) -> ssl.SSLContext | None:
    if not kafka.security.endswith("SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=kafka.cafile or None)
    except OSError as error:
        raise KafkaRefused(f"kafka.cafile: {kafka.cafile}: expected a PEM file of authorities: {error}") from error
    if kafka.certfile:
        try:
            context.load_cert_chain(kafka.certfile, kafka.keyfile or None, password="")
        except (OSError, ValueError) as error:
            raise KafkaRefused(
                f"kafka.certfile, kafka.keyfile: {kafka.certfile}, {kafka.keyfile or 'none'}: expected PEM files of a "
                f"certificate and its key without a password: {error}"
            ) from error
    elif kafka.keyfile:
        raise KafkaRefused("kafka.keyfile is given: kafka.certfile must be too")
    return context
