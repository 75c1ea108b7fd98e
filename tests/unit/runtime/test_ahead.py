"""Reading ahead changes when items are made, never which."""

import threading
from collections.abc import Iterator

import pytest

from rtrec.runtime.ahead import BATCHES, read_ahead


def test_items_come_in_order_and_no_more_than_a_few_are_made_ahead() -> None:
    made = list[int]()

    def numbers() -> Iterator[int]:
        for k in range(100):
            made.append(k)
            yield k

    for k, item in enumerate(read_ahead(numbers())):
        assert item == k
        assert len(made) <= k + BATCHES + 3  # those that wait, the one in hand, the one being put


def test_a_fault_is_raised_where_its_item_would_have_come() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("torn")

    found = read_ahead(broken())
    assert next(found) == 1
    with pytest.raises(ValueError, match="torn"):
        next(found)


def test_stopping_early_ends_the_thread() -> None:
    found = read_ahead(iter(range(1_000_000)))
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]
    assert all(thread.name != "rtrec-read-ahead" for thread in threading.enumerate())
