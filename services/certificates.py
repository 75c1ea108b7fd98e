"""An authority and a certificate for this machine's loopback, for tests of TLS."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from services.part import HOST
from services.process import ServiceError
from services.programs import program

VALID_DAYS = "30"


@dataclass(frozen=True)
class Certificates:
    """Files in PEM: the authority that clients trust, and what a server shows."""

    authority: Path
    certificate: Path
    key: Path
    keystore: Path
    """key and certificate in one file, as Kafka takes them (`ssl.keystore.type=PEM`)"""


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and a certificate for 127.0.0.1 and localhost, signed by it."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificates(*(folder / name for name in ("ca.pem", "server.pem", "server.key", "keystore.pem")))
    fresh = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", VALID_DAYS]
    ca_key = str(folder / "ca.key")
    _openssl(
        "req", "-x509", *fresh, "-subj", "/CN=rtrec test authority", "-keyout", ca_key, "-out", str(made.authority)
    )
    names = f"subjectAltName=IP:{HOST},DNS:localhost"
    signed = ["-CA", str(made.authority), "-CAkey", ca_key, "-addext", names, "-addext", "basicConstraints=CA:FALSE"]
    server = ["-subj", "/CN=localhost", "-keyout", str(made.key), "-out", str(made.certificate)]
    _openssl("req", "-x509", *fresh, *signed, *server)
    made.keystore.write_text(made.key.read_text() + made.certificate.read_text(), encoding="utf-8")
    return made


def _openssl(*words: str) -> None:
    command = [program("openssl"), *words]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
    if run.returncode:
        raise ServiceError(f"openssl {words[0]} failed: {run.stderr[-1_000:]}")
