"""The master against its data contract: every violation counted, with keys of some of the rows.

Plain polars, not pandera: one pass answers all rules together, where pandera walks the frame per check.

Repeated keys are found by a 64 bit hash first, see `repeats`; only those whose hash occurs twice are looked
at by value.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import polars as pl
import polars.selectors as cs

from domain.compatibility import fits
from domain.data_contract import ColumnRule, DataContract
from domain.text_pattern import is_linear, whole
from domain.wording import nearest
from service.adapters.files.scratch import Scratch
from service.adapters.polars.frames import Dataset, all_of, engine_errors, exactly, is_among, value_of
from service.adapters.polars.looked import Looked, is_a_number, merged
from service.adapters.polars.repeats import Repeats
from service.processes.slow_patterns import SlowPattern

SAMPLES: Final = 5  # keys per violation: enough to find the rows, few enough for an event
_LONGEST_KEY: Final = 200  # characters
_MOST_SAMPLED: Final = 50  # violations that get samples; each costs a pass over the file
_LOOKED_AT: Final = 1_000  # rows, for the values that are found in them
_MOST_SAID: Final = 3
_LONGEST_VALUE: Final = 80
_FOUND: Final = "found"
_FORMAT: Final = "format"  # a rule that takes long
_LARGEST_WHOLE: Final = 2.0**127  # of the widest integers that whole numbers in floats are compared as

Row = dict[str, object]


@dataclass(frozen=True)
class Observation:
    """What one look at a dataset found; `violations` and `statistics` are JSON.

    A violation is {column, rule, count, allowed, sample_keys}, and where values break a rule also
    {found_values, nearest}: some of them, and the allowed one nearest to the first. Statistics are, per
    contract column, nulls and for numbers min, max, mean, std.
    """

    violations: list[Row]
    statistics: dict[str, Row]


@dataclass(frozen=True)
class _Rule:
    column: str
    name: str
    broken: pl.Expr
    allowed: str


def observe(dataset: Dataset, contract: DataContract, scratch: Scratch | None = None) -> Observation:
    """Check every rule of `contract` and describe its columns. Raises NeverRetry `unreadable_dataset`.

    Where there is `scratch`, the hashes of many keys are spilled to it; TryLater then says that it is full.
    """
    observer = Observer(dataset, contract, scratch)
    with engine_errors(dataset.path):
        for batch in dataset.batches(observer.columns):
            observer.take(observer.look(batch))
    return observer.observation()


_Look: TypeAlias = tuple[Looked, Mapping[str, pl.Series]]


class Observer:
    """Looks at each batch of a dataset once; `missing` is what its columns alone break."""

    def __init__(self, dataset: Dataset, contract: DataContract, scratch: Scratch | None = None) -> None:
        self._dataset, self._contract = dataset, contract
        self.missing = list(_structure(dataset, contract))
        unfit = {str(violation["column"]) for violation in self.missing}
        self._rules_of = {name: rule for name, rule in contract.columns.items() if name not in unfit}
        self._rules = [rule for name in self._rules_of for rule in _rules(name, dataset, contract)]
        self._asked = [*_questions(self._rules, self._rules_of, dataset)]
        self._formats = {place: rule for place, rule in enumerate(self._rules) if rule.name == _FORMAT}
        self._looked: Looked = {}
        self._keys = dict(_key_groups(contract, unfit))
        self._hashes = {rule: key_hash(dataset, names) for rule, names in self._keys.items()}
        self._hashed = self._hashes
        self._repeats = {rule: Repeats(dataset.rows, scratch) for rule in self._keys}

    @property
    def columns(self) -> list[str]:
        """The columns that it needs of each batch."""
        return list(self._rules_of)

    def know(self, positions: Mapping[frozenset[str], pl.Expr]) -> None:
        """Take for a key's hash what each prepared batch has under this name, by the columns of the key."""
        known = {rule: positions.get(frozenset(names)) for rule, names in self._keys.items()}
        for rule, position in known.items():
            if position is not None:  # what has none is looked at by value, with whatever else has hash 0
                self._hashes[rule] = position.fill_null(0)
                self._hashed = {**self._hashed, rule: exactly(position.meta.output_name()).fill_null(0)}

    def look(self, batch: pl.DataFrame) -> _Look:
        """Look at some rows, in any thread. Raises PolarsError."""
        asked = batch.select(self._asked).row(0, named=True) if self._rules_of else {}
        asked |= {f"rule {place}": _unlike(batch, rule) for place, rule in self._formats.items()}
        hashes = {rule: batch.select(hashed).to_series() for rule, hashed in self._hashed.items()}
        return asked, hashes

    def take(self, look: _Look) -> None:
        """Take what was found. Raises TryLater of the scratch."""
        asked, hashes = look
        self._looked = merged(self._looked, asked)
        for rule, found in hashes.items():
            self._repeats[rule].add(found)

    def observation(self) -> Observation:
        """What was found. Raises NeverRetry `unreadable_dataset`, TryLater of the scratch."""
        with engine_errors(self._dataset.path):
            broken = [(rule, self._looked.get(f"rule {place}")) for place, rule in enumerate(self._rules)]
            counted = [(rule, int(count)) for rule, count in broken if count]
            found = _described(self._dataset, self._contract, counted)
            repeats = list(self._repeated())
        described = _statistics(self._looked, self._rules_of, self._dataset)
        return Observation(self.missing + found + repeats, described)

    def _repeated(self) -> Iterator[Row]:
        """Rows that have the key of an earlier row, by the primary key and by the deduplication rule."""
        for rule, names in self._keys.items():
            suspects = self._repeats[rule].found()
            if suspects.is_empty():
                continue
            keys = _suspected(self._dataset, names, self._hashes[rule], suspects)
            count = keys.height - keys.unique().height
            if count:
                violation = _violation(", ".join(names), rule, count, "each key once")
                some = keys.filter(keys.is_duplicated()).unique(maintain_order=True).head(SAMPLES)
                yield violation | {"sample_keys": sample_keys(some)}


def _key_groups(contract: DataContract, unfit: set[str]) -> Iterator[tuple[str, Sequence[str]]]:
    groups = {"primary_key": contract.primary_key}
    if contract.deduplication is not None and set(contract.deduplication.subset) != {*contract.primary_key}:
        groups["deduplication"] = contract.deduplication.subset
    yield from ((rule, names) for rule, names in groups.items() if unfit.isdisjoint(names))


def key_hash(dataset: Dataset, names: Sequence[str]) -> pl.Expr:
    """The engine's hash of a key. Nulls are equal to nulls, as in deduplication."""
    columns = [value_of(name, dataset.schema[name]) for name in names]
    return columns[0].hash() if len(columns) == 1 else pl.struct(columns).hash()


def _unlike(batch: pl.DataFrame, rule: _Rule) -> int:
    """In how many rows a format is broken; few values that come again and again are matched once each."""
    column = batch.select(exactly(rule.column)).to_series()
    some = column.head(_LOOKED_AT)
    if some.n_unique() > some.len() // 2:
        return int(batch.select(rule.broken.sum()).item())
    rows = f"rows {rule.column}"
    return int(column.value_counts(name=rows).select(exactly(rows).filter(rule.broken).sum()).item())


def _suspected(dataset: Dataset, names: Sequence[str], hashed: pl.Expr, hashes: pl.Series) -> pl.DataFrame:
    """Return the keys of rows whose hash is one of these, in the file's order."""
    suspects = dataset.frame.filter(hashed.is_in(hashes.implode()))
    return suspects.select(value_of(name, dataset.schema[name]) for name in names).collect(engine="streaming")


def _structure(dataset: Dataset, contract: DataContract) -> Iterator[Row]:
    """Columns that are not there, or not of their type: nothing else can be said of those."""
    kinds = dataset.kinds
    for name, rule in contract.columns.items():
        if name not in kinds:
            yield _violation(name, "column_missing", dataset.rows, rule.type)
        elif not fits(kinds[name], rule.type):
            yield _violation(name, "type", dataset.rows, rule.type) | {"found": kinds[name]}


def _violation(column: str, rule: str, count: int, allowed: str) -> Row:
    return {"column": column, "rule": rule, "count": count, "allowed": allowed, "sample_keys": []}


def _rules(name: str, dataset: Dataset, contract: DataContract) -> Iterator[_Rule]:
    rule, dtype = contract.columns[name], dataset.schema[name]
    column = value_of(name, dtype)
    if name in contract.never_null:
        yield _Rule(name, "non_nullable", column.is_null(), "no null")
    if dtype == pl.Null:
        return
    if rule.is_number:
        yield from _number_rules(name, rule, dtype)
    if rule.allowed_values is not None:
        allowed = ", ".join(map(str, rule.allowed_values))
        yield _Rule(name, "allowed_values", ~is_among(name, dtype, rule.allowed_values), allowed[:500])
    if rule.format is not None:
        yield _Rule(name, _FORMAT, breaks_format(column, rule.format), rule.format)


def _number_rules(name: str, rule: ColumnRule, dtype: pl.DataType) -> Iterator[_Rule]:
    column = value_of(name, dtype)
    if dtype.is_float():
        yield _Rule(name, "finite", column.is_infinite(), "finite numbers")
        if rule.type == "int":
            whole = (column == column.floor()) & (column.abs() < _LARGEST_WHOLE)
            yield _Rule(name, "integer", column.is_finite() & ~whole, "integers")
    if rule.min is not None:
        yield _Rule(name, "min", column < rule.min, f"at least {rule.min}")
    if rule.max is not None:
        yield _Rule(name, "max", column > rule.max, f"at most {rule.max}")


def _questions(rules: list[_Rule], columns: Mapping[str, ColumnRule], dataset: Dataset) -> Iterator[pl.Expr]:
    """Ask everything at once: how often each rule is broken, and what the columns hold."""
    quick = (place for place, rule in enumerate(rules) if rule.name != _FORMAT)
    yield from (rules[place].broken.sum().alias(f"rule {place}") for place in quick)
    for name, rule in columns.items():
        column = value_of(name, dataset.schema[name])
        yield column.null_count().alias(f"nulls {name}")
        if rule.is_number and dataset.schema[name] != pl.Null:
            yield column.count().alias(f"count {name}")
            yield column.min().alias(f"min {name}")
            yield column.max().alias(f"max {name}")
            yield column.mean().alias(f"mean {name}")
            yield column.std().alias(f"std {name}")


def _statistics(looked: Looked, columns: Mapping[str, ColumnRule], dataset: Dataset) -> dict[str, Row]:
    return {
        name: {
            word: looked[f"{word} {name}"]
            for word in ("nulls", "min", "max", "mean", "std")
            if is_a_number(looked.get(f"{word} {name}"))
        }
        | {"type": dataset.kinds[name]}
        for name in columns
    }


def _described(dataset: Dataset, contract: DataContract, broken: list[tuple[_Rule, int]]) -> list[Row]:
    """Add keys of some of the rows that break each rule."""
    sampled = [_broken_rows(rule, dataset, contract) for rule, _ in broken[:_MOST_SAMPLED]]
    frames = pl.collect_all(sampled, engine="streaming")
    told: list[Row] = [_told(frame, rule, contract) for frame, (rule, _) in zip(frames, broken, strict=False)]
    told += [{} for _ in broken[len(frames) :]]
    return [
        _violation(rule.column, rule.name, count, rule.allowed) | more
        for (rule, count), more in zip(broken, told, strict=True)
    ]


def _broken_rows(rule: _Rule, dataset: Dataset, contract: DataContract) -> pl.LazyFrame:
    """Some rows that break a rule: the value that stands there, under a name of our own, then the key."""
    keys = [name for name in contract.primary_key if name in dataset.schema]
    ours = _FOUND
    while ours in keys:
        ours += "_"
    value = value_of(rule.column, dataset.schema[rule.column]).alias(ours)
    return dataset.frame.filter(rule.broken).head(_LOOKED_AT).select(value, *all_of(keys))


def _told(rows: pl.DataFrame, rule: _Rule, contract: DataContract) -> Row:
    """Keys of the first rows that break a rule, and distinct values that stand there."""
    keys = rows[:, 1:].head(SAMPLES)
    values = [_as_json(value) for value in rows.to_series(0).unique(maintain_order=True).head(SAMPLES)]
    allowed = contract.columns[rule.column].allowed_values if rule.name == "allowed_values" else None
    return {
        "sample_keys": sample_keys(keys) if keys.width else [],
        "found_values": values,
        "nearest": nearest(values[0], allowed) if values and allowed else None,
    }


def _as_json(value: Any) -> object:
    """A value for an event: bounded, and a number that JSON knows."""
    if isinstance(value, str):
        return value[:_LONGEST_VALUE]
    return value if value is None or is_a_number(value) else str(value)


def sentence(violation: Mapping[str, Any]) -> str:
    """A violation for people: column, rule, how often, what was found, and what is allowed or near."""
    said = f"{violation['column']}: {violation['rule']} ({violation['count']})"
    found, near = violation.get("found_values") or [violation.get("found")], violation.get("nearest")
    if found != [None]:
        values = ", ".join(map(repr, found[:_MOST_SAID]))
        said += f", found {values}, allowed {violation['allowed'][:_LONGEST_VALUE]}"
    return said if near is None else f"{said}, nearest {near!r}"


def sample_keys(keys: pl.DataFrame) -> Sequence[object]:
    """Keys as JSON, long texts cut: the value itself, or a map for a key of several columns."""
    plain = keys.with_columns((~cs.integer()).cast(pl.String, strict=False).str.head(_LONGEST_KEY))
    return plain.to_series().to_list() if plain.width == 1 else plain.to_dicts()


def breaks_format(column: pl.Expr, pattern: str) -> pl.Expr:
    """True where a text does not match `pattern` as a whole; null where there is no text.

    The engine matches what is linear, which requests are matched by too; Python matches the rest, apart.
    """
    if is_linear(pattern):
        return ~column.str.contains(whole(pattern))
    return column.map_batches(
        lambda texts: _unmatched(texts, pattern), return_dtype=pl.Boolean, is_elementwise=True
    )


def _unmatched(texts: pl.Series, pattern: str) -> pl.Series:
    distinct = texts.drop_nulls().unique().to_list()
    with SlowPattern(pattern) as matches:
        unmatched = {text: not said for text, said in zip(distinct, matches.each(distinct), strict=True)}
    return pl.Series(texts.name, [unmatched.get(text) for text in texts], dtype=pl.Boolean)
