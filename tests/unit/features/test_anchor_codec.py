import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtrec.events.schema import Event
from rtrec.features.anchor_codec import MAX_RECORD_BYTES, VERSION, decode_into, encode_slots
from rtrec.features.anchor_table import ANCHOR, CAP_USERS, N_METRICS, Anchors
from rtrec.settings import Heat
from tests.unit.stages.heat_host import HOUR_MS, T0, Host, any_event, made

CAPS = Heat(user_caps={"gift_value": 5_000.0, "likes": 2.0, "watchers": 1.0})


def bits(rows: Anchors, slot: int) -> dict[str, bytes]:
    """Every field of a row, without the padding between them."""
    return {name: rows[slot][name].tobytes() for name in rows.dtype.names or ()}


@given(st.lists(any_event(), min_size=1, max_size=60), st.sampled_from([Heat(), CAPS]))
def test_the_stored_form_holds_every_bit_of_a_state(events: list[Event], policy: Heat) -> None:
    """What any stream leaves in memory comes back bit for bit, over whatever stood in the slot before."""
    host = Host(policy)
    host.feed(*events)
    table, half_life = host.state.table, host.state.half_life
    slots = np.arange(len(table))
    records = encode_slots(table.rows, slots, half_life)
    back = np.zeros(len(table), ANCHOR)
    back.view(np.uint8)[:] = 255
    back["anchor"] = table.rows["anchor"][: len(table)]
    decode_into(back, slots.tolist(), records, half_life)
    assert [bits(back, k) for k in slots.tolist()] == [bits(table.rows, k) for k in slots.tolist()]
    assert encode_slots(back, slots, half_life) == records, "a pure function of the state"


def test_many_slots_are_encoded_in_order() -> None:
    """More than one buffer's worth; each record is what it is alone."""
    host = Host()
    host.feed(*(made("like", T0 + k, anchor_id=f"a{k}", count=k) for k in range(600)))
    slots = np.random.default_rng(1).permutation(600)
    together = encode_slots(host.state.table.rows, slots, host.state.half_life)
    alone = [encode_slots(host.state.table.rows, slots[k : k + 1], host.state.half_life)[0] for k in range(600)]
    assert together == alone


def test_an_idle_anchor_is_small() -> None:
    """A room that opened and saw nothing: under 80 bytes; an hour of one user's likes: under 600."""
    host = Host()
    host.feed(made("live_start", T0, live_id="l"))
    assert len(host.store["a/a"]) < 80
    host.feed(*(made("like", T0 + k * 60_000, event_id=f"e{k}") for k in range(60)))
    assert len(host.store["a/a"]) < 600


def test_the_fullest_record_fits_its_buffer() -> None:
    """The worst row there can be (every word and tile at its largest) must never write past its buffer."""
    full = np.zeros(1, ANCHOR)
    full.view(np.uint8)[:] = 255
    for name in ANCHOR.names or ():
        if full[name].dtype.kind == "i":
            full[name] = np.iinfo(np.int64).max
    full["past_next"] = 7
    assert full["cap_user"].shape == (1, N_METRICS, CAP_USERS)
    assert len(encode_slots(full, np.zeros(1, np.int64), 1)[0]) <= MAX_RECORD_BYTES


@pytest.mark.parametrize("record", [b"", bytes([VERSION + 1]) + b"\x00" * 60])
def test_another_format_is_refused_with_what_to_do(record: bytes) -> None:
    with pytest.raises(
        ValueError, match=f"anchor record: written in format .*, this rtrec reads {VERSION}; use a newer rtrec"
    ):
        decode_into(np.zeros(1, ANCHOR), [0], [record], 1)


def test_time_alone_changes_nothing_stored() -> None:
    """Windows, heat and lifecycle cool when read: a record is written by events alone."""
    host = Host()
    host.feed(made("view_start", T0, live_id="l"))
    record = host.store["a/a"]
    host.feed(*(made("view_start", T0 + k * HOUR_MS, anchor_id="b") for k in range(20)))
    assert host.store["a/a"] == record
    assert host.show(T0 + 19 * HOUR_MS)["windows"]["views"] == {"10s": 0, "1m": 0, "5m": 0, "30m": 0, "1h": 0, "24h": 1}
