"""Rows are joined as they are, and only with their like."""

import numpy as np
import pytest

from rtrec.events.rows import concatenated

ROW = np.dtype([("a", "i8"), ("b", "u1")])


def test_rows_follow_one_another() -> None:
    """Also where some arrays are empty, read only, or views with steps."""
    made = np.array([(1, 2), (3, 4), (5, 6)], ROW)
    parts = [made[:0], np.frombuffer(made.tobytes(), ROW), made[::2]]
    assert concatenated(parts).tolist() == [(1, 2), (3, 4), (5, 6), (1, 2), (5, 6)]
    assert concatenated(parts).dtype == ROW


def test_rows_of_another_type_are_refused() -> None:
    """Of equal size they would be read as what they are not."""
    with pytest.raises(TypeError, match="different types"):
        concatenated([np.zeros(1, ROW), np.zeros(1, [("a", "f8"), ("b", "u1")])])
