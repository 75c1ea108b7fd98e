"""Settings `kafka` as three clients want them, and what is wrong with them before anything is connected."""

import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rtrec.adapters.kafka_faults import KafkaRefused
from rtrec.adapters.kafka_settings import for_aiokafka, for_faust, for_kafka_python, servers
from rtrec.settings_cluster import Kafka
from services.certificates import Certificates
from services.programs import program

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


def test_files_of_certificates_are_read(certificates: Certificates) -> None:
    files = {"certfile": str(certificates.certificate), "keyfile": str(certificates.key)}
    kafka = Kafka(bootstrap="a:1", security="SSL", cafile=str(certificates.authority), **files)
    context = for_aiokafka(kafka)["ssl_context"]
    assert [one["subject"] for one in context.get_ca_certs()] == [((("commonName", "rtrec test authority"),),)]


@pytest.mark.parametrize(
    ("faulty", "named"),
    [
        ({"cafile": "gone"}, r"kafka\.cafile: .*gone"),
        ({"cafile": "key"}, r"kafka\.cafile"),
        ({"certfile": "key"}, r"kafka\.certfile"),
        ({"certfile": "certificate", "keyfile": "gone"}, r"kafka\.keyfile: .*gone"),
        ({"certfile": "certificate", "keyfile": "locked"}, r"kafka\.keyfile: .*without a password"),
        ({"keyfile": "key"}, r"kafka\.certfile must be too"),
    ],
)
def test_a_file_that_is_not_one_is_named(
    certificates: Certificates, tmp_path: Path, faulty: dict[str, str], named: str
) -> None:
    """A key that asks for a password is refused, too: nobody sits there to type it."""
    files = {name: getattr(certificates, name, tmp_path / name) for name in ("certificate", "key", "locked", "gone")}
    locked = ["-in", str(certificates.key), "-out", str(files["locked"]), "-passout", "pass:secret"]
    subprocess.run([program("openssl"), "pkcs8", "-topk8", *locked], check=True)  # noqa: S603 - a fixed command
    kafka = Kafka(bootstrap="a:1", security="SSL", **{key: str(files[name]) for key, name in faulty.items()})
    with pytest.raises(KafkaRefused, match=named):
        for_aiokafka(kafka)
