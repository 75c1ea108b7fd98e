"""What all tests share: the size they run at.

`RTREC_SOAK=1` (`make soak`) runs the named sizes; without it, tests marked `soak` are skipped and Hypothesis
draws fewer examples.
"""

import os

import pytest
from hypothesis import settings

SOAK = bool(os.environ.get("RTREC_SOAK"))

# No deadline: two cores that others share, and the first call of a kernel compiles it.
settings.register_profile("reduced", deadline=None, max_examples=50)
settings.register_profile("soak", deadline=None, max_examples=1_000)
settings.load_profile("soak" if SOAK else "reduced")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if SOAK:
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="named size: runs with RTREC_SOAK=1 (make soak)"))
