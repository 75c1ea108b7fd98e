"""Promises of tokens and slots: stable for ever, evenly spread."""

import numpy as np

from rtrec.events.mixing import mix, slot_of

MASK = (1 << 64) - 1


def scramble(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def plain_mix(*parts: int) -> int:
    x = 0
    for part in parts:
        x = scramble(((x ^ part) + 0x9E3779B97F4A7C15) & MASK)
    return x


def test_the_scrambler_is_splitmix64() -> None:
    """With salt 0 first, the chain's start is splitmix64's published first output of seed 0."""
    assert plain_mix(0) == 0xE220A8397B1DCDAF


def test_tokens_are_stable() -> None:
    """Stored tokens keep their meaning: fixed vectors, the last of ids above 2^63."""
    assert int(mix(0, 0, 0)) == 0x238275BC38FCBE91
    assert int(mix(1, 2, 3)) == 0xD0734750FDE362B3
    assert int(mix(7, np.uint64(2**64 - 1), np.uint64(2**63))) == 0x65E422ED243C8FD2


def test_tokens_equal_a_plain_implementation_whatever_the_integer_type() -> None:
    """Signed, unsigned and NumPy integers of one value modulo 2^64 make one token."""
    for salt, a, b in ((1, 2, 3), (5, 2**63, 9), (5, 9, 2**64 - 1)):
        assert int(mix(*(np.uint64(one) for one in (salt, a, b)))) == plain_mix(salt, a, b)
    assert int(mix(3, -1, 4)) == int(mix(np.uint64(3), np.uint64(2**64 - 1), np.int64(4))) == plain_mix(3, MASK, 4)


def test_slots_are_the_top_bits() -> None:
    """A wider vector splits slots, it does not shuffle them."""
    token = np.uint64(mix(1, 2, 3))
    assert slot_of(token, 22) == int(token) >> 42
    assert slot_of(token, 22) >> 2 == slot_of(token, 20)


def test_small_integers_spread_evenly_over_slots() -> None:
    """Chi-square over 1,024 slots of consecutive ids, as salt, as a and as b: none is suspicious."""
    ids = range(102_400)
    for tokens in ((mix(i, 7, 0) for i in ids), (mix(1, i, 0) for i in ids), (mix(1, 7, i) for i in ids)):
        slots = np.fromiter((slot_of(np.uint64(token), 10) for token in tokens), np.int64)
        counts = np.bincount(slots, minlength=1_024)
        chi_square = ((counts - 100) ** 2 / 100).sum()  # 1,023 degrees of freedom: mean 1,023, deviation √2,046
        assert abs(chi_square - 1_023) < 4 * np.sqrt(2_046)


def test_every_input_bit_moves_half_of_the_output_bits() -> None:
    """Avalanche: one flipped bit of any input flips each output bit in 40 to 60 % of cases."""
    rng = np.random.default_rng(3)
    inputs = [tuple(int(one) for one in row) for row in rng.integers(0, 2**62, (400, 3))]
    for place in range(3):
        for bit in (0, 31, 61):
            flips = np.zeros(64)
            for parts in inputs:
                moved = list(parts)
                moved[place] ^= 1 << bit
                changed = int(mix(*parts)) ^ int(mix(*moved))
                flips += [(changed >> at) & 1 for at in range(64)]
            assert flips.min() / len(inputs) > 0.4
            assert flips.max() / len(inputs) < 0.6
