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
_AT_ONCE: Final = 1 << 13  # keys whose words stay in the processor's cache


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
    lengths = [column.to_numpy() for column in texts.select(pl.all().bin.size())]
    layouts = _layouts(lengths)
    sizes = np.zeros(0, np.int64) if layouts is None else np.bincount(layouts)
    sizes = sizes[sizes > 0]
    if layouts is None or texts.height < _FEWEST * sizes.size:
        return np.fromiter(map(xxh64_intdigest, _keys(texts, salt)), np.uint64, texts.height)
    if sizes.size == 1:
        return xxh64_rows(*_matrix(texts, salt))
    order = np.argsort(layouts.astype(np.uint16), kind="stable")  # by radix, in types of 16 bits
    alike, found = texts[pl.Series(order.astype(np.uint32))], np.empty(texts.height, np.uint64)
    for first, size in zip(np.cumsum(sizes) - sizes, sizes, strict=True):
        rows = order[first : first + size]
        found[rows] = xxh64_rows(*_matrix(alike.slice(first, size), salt))
    return found


def _layouts(lengths: Sequence[NDArray[np.uint32]]) -> NDArray[np.uint32] | None:
    """A number for each row, equal where all lengths are; None when there could be too many."""
    layouts, most = np.zeros(lengths[0].size, np.uint32), 1
    for column in lengths:
        span = int(column.max(initial=0)) + 1
        most *= span
        if most > _MOST_LAYOUTS:
            return None
        layouts *= np.uint32(span)
        layouts += column
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
    start, first = netstring(salt), texts.row(0)
    layout = start + b"".join(map(netstring, first))
    row = layout + bytes(-len(layout) % _WORD)
    matrix = np.full(texts.height, row, f"V{len(row)}").view(np.uint8).reshape(texts.height, len(row))
    pieces = texts.select(
        exactly(name).bin.reinterpret(dtype=pl.Array(pl.UInt8, len(text)))
        for name, text in zip(texts.columns, first, strict=True)
        if text
    )
    place = len(start)
    for name, text in zip(texts.columns, first, strict=True):
        place += len(b"%d:" % len(text))
        if text:
            _put(pieces[name].to_numpy(), matrix, place)
        place += len(text) + 1
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
            some = texts[first : first + _AT_ONCE]
            found[first : first + _AT_ONCE] = _Steps(len(some)).hashed(some, length)
    return found


class _Steps:
    """The steps of the hash, for so many texts, in place: to make room anew costs more than a step."""

    def __init__(self, count: int) -> None:
        self._word, self._bits = np.empty(count, np.uint64), np.empty(count, np.uint64)

    def hashed(self, texts: Matrix, length: int) -> Words:
        place = length // _STRIPE * _STRIPE
        words, halves = texts.view("<u8"), texts.view("<u4")
        hashed = self._stripes(words[:, : place // _WORD]) if place else np.full(len(texts), _P5)
        hashed += np.uint64(length)
        while place + _WORD <= length:
            np.multiply(words[:, place // _WORD], _P2, out=self._word)
            self._mix(self._word)
            self._take(hashed, 27, _P1, _P4)
            place += _WORD
        if place + _HALF <= length:
            np.multiply(halves[:, place // _HALF], _P1, out=self._word)
            self._take(hashed, 23, _P2, _P3)
            place += _HALF
        for byte in range(place, length):
            np.multiply(texts[:, byte], _P5, out=self._word)
            self._take(hashed, 11, _P1)
        return self._avalanche(hashed)

    def _stripes(self, words: Words) -> Words:
        """Run the four lanes over all whole stripes."""
        count, size = words.shape
        lanes = [np.full(count, seed) for seed in (_P1 + _P2, _P2, np.uint64(0), np.uint64(0) - _P1)]
        for place in range(size):
            lanes[place % 4] += np.multiply(words[:, place], _P2, out=self._word)
            self._mix(lanes[place % 4])
        hashed = np.zeros(count, np.uint64)
        for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True):
            hashed += np.left_shift(lane, np.uint64(bits), out=self._bits)
            hashed += np.right_shift(lane, np.uint64(64 - bits), out=self._bits)
        for lane in lanes:
            np.multiply(lane, _P2, out=self._word)
            self._mix(self._word)
            hashed ^= self._word
            hashed *= _P1
            hashed += _P4
        return hashed

    def _avalanche(self, hashed: Words) -> Words:
        for shift, prime in ((33, _P2), (29, _P3), (32, np.uint64(1))):
            hashed ^= np.right_shift(hashed, np.uint64(shift), out=self._bits)
            hashed *= prime
        return hashed

    def _take(self, hashed: Words, bits: int, times: np.uint64, plus: np.uint64 | None = None) -> None:
        hashed ^= self._word
        self._rotate(hashed, bits)
        hashed *= times
        if plus is not None:
            hashed += plus

    def _mix(self, word: Words) -> None:
        self._rotate(word, 31)
        word *= _P1

    def _rotate(self, number: Words, bits: int) -> None:
        np.right_shift(number, np.uint64(64 - bits), out=self._bits)
        number <<= np.uint64(bits)
        number |= self._bits
