"""The cluster that serving, rebuilding and failing share."""

from collections.abc import Iterator

import pytest

from tests.cluster.together import Together
from tests.services import Session, start_or_skip


@pytest.fixture(scope="session")
def together(service_session: Session, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together]:
    """A running cluster with a Kafka and a Redis of its own."""
    services = service_session.isolated()
    start_or_skip(services.redis)
    start_or_skip(services.kafka)
    cluster = Together.begin(services, tmp_path_factory.mktemp("together"))
    yield cluster
    cluster.end()
