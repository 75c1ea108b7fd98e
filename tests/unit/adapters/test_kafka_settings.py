"""Settings `kafka` as three clients want them, and what is wrong with them before anything is connected."""

import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rtrec.adapters.kafka_faults import KafkaRefused
from rtrec.adapters.kafka_settings import for_aiokafka, for_faust, for_kafka_python, servers
from rtrec.settings_cluster import Kafka
from services.programs import program
from tests.kafka import certificates

LOGIN = {"username": "ann", "password": "secret", "sasl_mechanism": "SCRAM-SHA-256"}


@pytest.mark.parametrize(
    ("bootstrap", "named"),
    [
        ("a:1", ["a:1"]),
        ("a:1,b:2", ["a:1", "b:2"]),
        (" a:1 , b ,", ["a:1", "b:9092"]),
        ("[::1]:9093", ["[::1]:9093"]),
    ],
)
def test_brokers_are_named_by_commas_and_have_a_port(bootstrap: str, named: list[str]) -> None:
    assert servers(Kafka(bootstrap=bootstrap)) == named


def test_without_a_broker_it_says_where_to_name_one() -> None:
    with pytest.raises(KafkaRefused, match="RTREC_KAFKA"):
        for_aiokafka(Kafka(bootstrap=" , "))


@pytest.mark.parametrize("arguments", [for_aiokafka, for_kafka_python])
def test_plain_text_needs_nothing_else(arguments: Any) -> None:
    found = arguments(Kafka(bootstrap="a:1", **LOGIN))  # a login is not sent where it is not asked for
    assert found["security_protocol"] == "PLAINTEXT"
    assert not {"ssl_context", "sasl_plain_username", "sasl_plain_password"} & found.keys()


@pytest.mark.parametrize("arguments", [for_aiokafka, for_kafka_python])
def test_tls_and_login_go_to_both_clients(arguments: Any) -> None:
    found = arguments(Kafka(bootstrap="a:1", security="SASL_SSL", **LOGIN))
    assert (found["sasl_mechanism"], found["sasl_plain_username"], found["sasl_plain_password"]) == (
        "SCRAM-SHA-256",
        "ann",
        "secret",
    )
    context = found["ssl_context"]
    assert isinstance(context, ssl.SSLContext)
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


def test_faust_is_told_the_same() -> None:
    from faust.auth import SASLCredentials, SSLCredentials  # noqa: PLC0415 - it reads sys.argv

    plain = for_faust(Kafka(bootstrap="a:1,b:2"))
    assert plain == {"broker": ["kafka://a:1", "kafka://b:2"], "broker_credentials": None}
    tls = for_faust(Kafka(bootstrap="a:1", security="SSL"))["broker_credentials"]
    assert isinstance(tls, SSLCredentials)
    assert tls.context.verify_mode == ssl.CERT_REQUIRED
    both = for_faust(Kafka(bootstrap="a:1", security="SASL_SSL", **LOGIN))["broker_credentials"]
    assert isinstance(both, SASLCredentials)
    assert (both.protocol.value, both.mechanism.value, both.username, both.password) == (
        "SASL_SSL",
        "SCRAM-SHA-256",
        "ann",
        "secret",
    )
    open_login = for_faust(Kafka(bootstrap="a:1", security="SASL_PLAINTEXT", **LOGIN))["broker_credentials"]
    assert (open_login.protocol.value, open_login.ssl_context) == ("SASL_PLAINTEXT", None)


@pytest.mark.parametrize("half", [{"username": "ann"}, {"password": "secret"}, {}])
def test_a_login_without_name_or_password_is_refused(half: dict[str, str]) -> None:
    with pytest.raises(KafkaRefused, match=r"kafka\.username and kafka\.password"):
        for_aiokafka(Kafka(bootstrap="a:1", security="SASL_SSL", **half))


def test_files_of_certificates_are_read(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    own = {"certfile": str(made.certificate), "keyfile": str(made.key)}
    context = for_aiokafka(Kafka(bootstrap="a:1", security="SSL", cafile=str(made.authority), **own))["ssl_context"]
    assert [one["subject"] for one in context.get_ca_certs()] == [((("commonName", "rtrec test authority"),),)]


@pytest.mark.parametrize(
    ("faulty", "named"),
    [
        ({"cafile": "gone.pem"}, r"kafka\.cafile: .*gone\.pem"),
        ({"cafile": "server.key"}, r"kafka\.cafile"),
        ({"certfile": "server.key"}, r"kafka\.certfile"),
        ({"certfile": "server.pem", "keyfile": "gone.key"}, r"kafka\.keyfile: .*gone\.key"),
        ({"certfile": "server.pem", "keyfile": "locked.key"}, r"kafka\.keyfile: .*without a password"),
        ({"keyfile": "server.key"}, r"kafka\.certfile must be too"),
    ],
)
def test_a_file_that_is_not_one_is_named(tmp_path: Path, faulty: dict[str, str], named: str) -> None:
    """A key that asks for a password is refused, too: nobody sits there to type it."""
    made = certificates(tmp_path)
    locked = ["-in", str(made.key), "-out", str(tmp_path / "locked.key"), "-passout", "pass:secret"]
    subprocess.run([program("openssl"), "pkcs8", "-topk8", *locked], check=True)  # noqa: S603 - a fixed command
    settings = Kafka(bootstrap="a:1", security="SSL", **{key: str(tmp_path / name) for key, name in faulty.items()})
    with pytest.raises(KafkaRefused, match=named):
        for_aiokafka(settings)
