import msgspec
import pytest

from rtrec.events.schema import MAX_ATTRIBUTES
from rtrec.features.anchor_meta import AnchorMeta, decode, encode
from tests.unit.stages.heat_host import T0, made


def test_the_stored_form_is_canonical() -> None:
    """Equal words are equal bytes, in whatever order attributes came."""
    one, other = AnchorMeta(live_id="l"), AnchorMeta(live_id="l")
    for name in "ab":
        one = one.profiled(made("anchor_profile", T0, set={name: name}))
    for name in "ba":
        other = other.profiled(made("anchor_profile", T0, set={name: name}))
    assert encode(one) == encode(other)
    assert decode(encode(one)) == one


def test_attributes_merge_and_are_bounded() -> None:
    """Known names are replaced, new ones come while there is room."""
    full = AnchorMeta().profiled(made("anchor_profile", T0, set={f"n{k}": 0 for k in range(MAX_ATTRIBUTES)}))
    more = full.profiled(made("anchor_profile", T0, set={"n0": 1, "new": 1}))
    assert len(more.attributes) == MAX_ATTRIBUTES
    assert more.attributes["n0"] == 1
    assert "new" not in more.attributes


def test_what_is_declared_wins_over_what_the_room_says() -> None:
    meta = AnchorMeta().started(made("live_start", T0, category="dance", region="r", tags=["x"]))
    assert meta.described() == {"category": "dance", "region": "r", "tags": ["x"]}
    assert meta.profiled(made("anchor_profile", T0, set={"region": "own"})).described()["region"] == "own"


def test_another_format_is_refused_with_what_to_do() -> None:
    newer = msgspec.msgpack.encode(msgspec.structs.replace(AnchorMeta(), version=2))
    with pytest.raises(ValueError, match="anchor meta: written in format 2, this rtrec reads 1; use a newer rtrec"):
        decode(newer)
