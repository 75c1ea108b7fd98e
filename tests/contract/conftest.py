"""Each suite runs once per adapter of its port."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rtrec.ports import EventLog, StateStore
from tests.contract.handles import LOGS, STORES, Handles


@pytest.fixture(params=LOGS)
def logs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Handles[EventLog]]:
    handles = Handles(LOGS[request.param](request), tmp_path)
    yield handles
    handles.close()


@pytest.fixture(params=STORES)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Handles[StateStore]]:
    handles = Handles(STORES[request.param](request), tmp_path)
    yield handles
    handles.close()


@pytest.fixture
def log(logs: Handles[EventLog]) -> EventLog:
    return logs.open()


@pytest.fixture
def store(stores: Handles[StateStore]) -> StateStore:
    return stores.open()
