"""Random numbers that are a function of (key, purpose, counter): any of them can be had at any time, in any process, without state."""

import hashlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bits = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_PIECE = np.uint64(0xFFFF)


def key(text: str) -> int:
    """A 64-bit key made of a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def bits(keys: Bits, purpose: int, first: int, count: int) -> Bits:
    """64 random bits for each key and each counter from `first` on; shape [key, count]."""
    counters = np.arange(first, first + count, dtype=np.int64).astype(np.uint64) * _GOLDEN
    purposes = np.full(keys.shape, purpose, dtype=np.uint64) * _GOLDEN
    return _mixed(_mixed(keys ^ purposes)[:, None] + counters[None, :])


def uniform(source: Bits, lane: int) -> Floats:
    """Uniform in (0, 1) from lane 0 to 3: sixteen of the bits."""
    return (_lane(source, lane).astype(np.float64) + 0.5) / 65536


def normal(source: Bits) -> Floats:
    """Close to standard normal, within 3.5 deviations: the sum of the four lanes. Only exact operations, so every machine agrees."""
    total = _lane(source, 0) + _lane(source, 1) + _lane(source, 2) + _lane(source, 3)
    return (total.astype(np.float64) / 65535 - 2) * 1.7320508075688772


def _lane(source: Bits, lane: int) -> Bits:
    return (source >> np.uint64(16 * lane)) & _PIECE


def _mixed(value: Bits) -> Bits:
    # The finaliser of splitmix64.
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
