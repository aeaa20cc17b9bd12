"""The XXH64 of keys' canonical bytes, a column of rows at a time.

`domain.split_rules.HashSplit` says what is hashed; its bits are a promise. Keys whose texts have the same
lengths have the same layout, and are hashed side by side in numpy. Where nearly every key has lengths of its
own, one after the other is faster.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from xxhash import xxh64_intdigest

from service.adapters.polars.frames import exactly

Words: TypeAlias = NDArray[np.uint64]
Matrix: TypeAlias = NDArray[np.uint8]

_FEWEST: Final = 256  # keys of one layout that are worth a call of numpy per step
_MOST_LAYOUTS: Final = 1 << 16
_AT_ONCE: Final = 1 << 14  # keys whose words stay in the processor's cache


def positions(columns: Iterable[str], salt: str, schema: pl.Schema) -> pl.Expr:
    """The XXH64 of each key's canonical bytes, as unsigned 64 bit integers; null where a key is null.

    A number that is no integer of 128 bits counts as null: the contract refuses it.
    """
    texts = [_canonical(name, schema[name]).alias(f"{place}") for place, name in enumerate(columns)]
    return pl.struct(texts).map_batches(
        lambda keys: _positions(keys.struct.unnest(), salt), return_dtype=pl.UInt64, is_elementwise=True
    )


def _canonical(name: str, dtype: pl.DataType) -> pl.Expr:
    column = exactly(name)
    integers = column.cast(pl.Int128, strict=False) if dtype.is_float() else column
    return integers.cast(pl.String).cast(pl.Binary)


def _positions(texts: pl.DataFrame, salt: str) -> pl.Series:
    whole = texts.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
    known = texts if whole.all() else texts.filter(whole)
    found = pl.Series(_hashed(known, salt.encode()), dtype=pl.UInt64)
    if known.height == texts.height:
        return found
    places = pl.Series(np.cumsum(whole.to_numpy()) - 1)
    return found.gather(pl.select(pl.when(whole).then(places)).to_series())


def _hashed(texts: pl.DataFrame, salt: bytes) -> Words:
    """Hash keys without nulls."""
    lengths = [text.bin.size().to_numpy() for text in texts]
    layouts = _layouts(lengths)
    counts = np.zeros(0, np.int64) if layouts is None else np.bincount(layouts)
    there = np.flatnonzero(counts)
    if layouts is None or texts.height < _FEWEST * there.size:
        return np.fromiter(map(xxh64_intdigest, _keys(texts, salt)), np.uint64, texts.height)
    found = np.empty(texts.height, np.uint64)
    for layout in there:
        rows = slice(None) if there.size == 1 else np.flatnonzero(layouts == layout)
        alike = texts if there.size == 1 else texts[rows]
        found[rows] = xxh64_rows(*_matrix(alike, salt))
    return found


def _layouts(lengths: Sequence[NDArray[np.uint32]]) -> NDArray[np.int64] | None:
    """A number for each row, equal where all lengths are; None when there could be too many."""
    layouts, most = np.zeros(lengths[0].size, np.int64), 1
    for column in lengths:
        span = int(column.max(initial=0)) + 1
        most *= span
        if most > _MOST_LAYOUTS:
            return None
        layouts = layouts * span + column
    return layouts


def _keys(texts: pl.DataFrame, salt: bytes) -> Iterator[bytes]:
    start = netstring(salt)
    for row in texts.iter_rows():
        yield start + b"".join(map(netstring, row))


def netstring(text: bytes) -> bytes:
    """The text with its length before it."""
    return b"%d:%b," % (len(text), text)


def _matrix(texts: pl.DataFrame, salt: bytes) -> tuple[Matrix, int]:
    """The canonical bytes of keys with one layout, a row each, up to a whole word; and how many they are."""
    start = netstring(salt)
    layout = start + b"".join(netstring(text) for text in texts.row(0))
    padding = -len(layout) % _WORD
    matrix = np.empty((texts.height, len(layout) + padding), np.uint8)
    matrix[:] = np.frombuffer(layout + bytes(padding), np.uint8)
    place = len(start)
    for text in texts:
        length = len(text[0])
        place += len(b"%d:" % length)
        if length:
            _put(text.bin.reinterpret(dtype=pl.Array(pl.UInt8, length)).to_numpy(), matrix, place)
        place += length + 1
    return matrix, len(layout)


def _put(texts: Matrix, matrix: Matrix, place: int) -> None:
    """Copy each text into its row, as one piece: numpy is slow at rows of a few bytes."""
    piece = np.dtype((np.void, texts.shape[1]))
    row = np.dtype({"names": ["text"], "formats": [piece], "offsets": [place], "itemsize": matrix.shape[1]})
    matrix.view(row)["text"][:, 0] = np.ascontiguousarray(texts).view(piece)[:, 0]


# XXH64 as it is published, with seed 0, of many texts of one length.
_P1, _P2, _P3, _P4, _P5 = map(
    np.uint64,
    (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5),
)
_WORD, _HALF, _STRIPE = 8, 4, 32  # bytes


def xxh64_rows(texts: Matrix, length: int) -> Words:
    """Hash so many bytes of each row; the rows are whole words."""
    found = np.empty(len(texts), np.uint64)
    with np.errstate(over="ignore"):
        for first in range(0, len(texts), _AT_ONCE):
            found[first : first + _AT_ONCE] = _xxh64(texts[first : first + _AT_ONCE], length)
    return found


def _xxh64(texts: Matrix, length: int) -> Words:
    place = length // _STRIPE * _STRIPE
    words, halves = texts.view("<u8"), texts.view("<u4")
    hashed = _stripes(words[:, : place // _WORD]) if place else np.full(len(texts), _P5)
    hashed += np.uint64(length)
    while place + _WORD <= length:
        hashed ^= _mixed(words[:, place // _WORD] * _P2)
        hashed = _rotated(hashed, 27)
        hashed *= _P1
        hashed += _P4
        place += _WORD
    if place + _HALF <= length:
        hashed ^= halves[:, place // _HALF] * _P1
        hashed = _rotated(hashed, 23)
        hashed *= _P2
        hashed += _P3
        place += _HALF
    for byte in range(place, length):
        hashed ^= texts[:, byte] * _P5
        hashed = _rotated(hashed, 11)
        hashed *= _P1
    return _avalanche(hashed)


def _avalanche(hashed: Words) -> Words:
    for shift, prime in ((33, _P2), (29, _P3), (32, np.uint64(1))):
        hashed ^= hashed >> np.uint64(shift)
        hashed *= prime
    return hashed


def _stripes(words: Words) -> Words:
    """Run the four lanes over all whole stripes."""
    count, size = words.shape
    lanes = [np.full(count, seed) for seed in (_P1 + _P2, _P2, np.uint64(0), np.uint64(0) - _P1)]
    for place in range(size):
        word = words[:, place] * _P2
        word += lanes[place % 4]
        lanes[place % 4] = _mixed(word)
    hashed = _rotated(lanes[0], 1) + _rotated(lanes[1], 7) + _rotated(lanes[2], 12) + _rotated(lanes[3], 18)
    for lane in lanes:
        hashed ^= _mixed(lane * _P2)
        hashed *= _P1
        hashed += _P4
    return hashed


def _mixed(word: Words) -> Words:
    mixed = _rotated(word, 31)
    mixed *= _P1
    return mixed


def _rotated(number: Words, bits: int) -> Words:
    low = number >> np.uint64(64 - bits)
    low |= number << np.uint64(bits)
    return low
