"""However INGEST and HEAT cut their input, an anchor's record is the same: three sources, four partitions."""

import random
from collections.abc import Sequence

import hypothesis
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtrec.features import anchor_codec, anchor_meta
from rtrec.features.anchor_table import ANCHOR
from rtrec.features.decay import HALF_LIVES
from rtrec.ports import Owner
from tests.unit.stages.hops.chain import EVENTS, Calm, Chain
from tests.unit.stages.hops.embedded import letters_of, parts_of, positions_of
from tests.unit.stages.hops.expected import check_heat, check_ingest, check_state
from tests.unit.stages.hops.scripts import lively, settings, with_hostile

SOURCES, PARTITIONS = 3, 4
FEWER = hypothesis.settings(max_examples=hypothesis.settings().max_examples // 5)
SIZES = st.lists(st.sampled_from([1, 3, 40]), min_size=2, max_size=3)


def ingested(seed: int, sizes: Sequence[int]) -> Chain:
    """A chain whose sources were read in blocks by turns; `sizes` cut the blocks, and HEAT's input too."""
    chain, rng = Chain(settings(PARTITIONS), SOURCES), random.Random(seed)
    calm, lines = Calm(chain, sizes), with_hostile(seed, lively(seed, 110))
    while lines:
        source, block, lines = rng.randrange(SOURCES), lines[:12], lines[12:]
        chain.send(EVENTS, block, source)
        while calm.turn(Owner("ingest", source)):
            pass
    calm.drain()
    return chain


def anchors(chain: Chain, partition: int) -> dict[str, tuple[bytes, anchor_meta.AnchorMeta | None]]:
    """Records by anchor: the row, without where in the partition the holders of cap slots came; the words."""
    half_life = HALF_LIVES.index(chain.settings.heat.half_life)
    found = {}
    for key, value in chain.store.scan(Owner("heat", partition), "a/"):
        rows = np.zeros(1, ANCHOR)
        anchor_codec.decode_into(rows, [0], [value], half_life)
        rows["cap_since"] = 0
        words = chain.store.records[Owner("heat", partition)].get(f"m/{key[2:]}")
        found[key[2:]] = rows.tobytes(), None if words is None else anchor_meta.decode(words)
    return found


@FEWER
@given(st.integers(0, 10_000), SIZES, SIZES)
def test_anchors_do_not_know_how_micro_batches_were_cut(seed: int, one: list[int], other: list[int]) -> None:
    """Bit for bit, and the same dead letters; only positions, which are the partition's own, may differ."""
    chains = ingested(seed, one), ingested(seed, other)
    for partition in range(PARTITIONS):
        orders = [list(positions_of(chain, partition)) for chain in chains]
        assert orders[0] == orders[1]
        assert anchors(chains[0], partition) == anchors(chains[1], partition)
    assert letters_of(chains[0]) == letters_of(chains[1])


@FEWER
@given(st.integers(0, 10_000), SIZES)
def test_each_partition_is_what_one_turn_over_its_events_leaves(seed: int, sizes: list[int]) -> None:
    """Byte for byte, positions too: what the partition's order is, decides everything."""
    chain = ingested(seed, sizes)
    check_ingest(chain, SOURCES)
    for partition, store in enumerate(check_heat(chain)):
        check_state(chain, partition, store, "anchors", "dedupe", "ledger")


def test_every_partition_and_source_has_something() -> None:
    chain = ingested(1, [5])
    assert all(parts_of(chain, partition).get("dedupe") for partition in range(PARTITIONS))
    assert all(chain.topics[EVENTS, source] for source in range(SOURCES))
