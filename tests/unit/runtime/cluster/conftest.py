"""Workers' surroundings."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.runtime.cluster.rig import Rig, Troubled, troubled_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Troubled]:
    yield from troubled_store(tmp_path)


@pytest.fixture
def rig(store: Troubled) -> Rig:
    return Rig(store)
