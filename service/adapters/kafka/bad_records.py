"""The bad records of one partition: the first of a batch get a letter each, the rest share one.

A batch of a megabyte may hold a million of them, and their bytes stay in the topic anyway.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, Final

from domain.record import Extent, Record, Unreadable, UnreadableReason
from handlers.handled import RecordOutcome

ONE_BY_ONE: Final = 100  # of a batch


@dataclass(frozen=True)
class Bad:
    """One record or, with an extent, several; what became of them and why."""

    record: Record
    why: Unreadable
    outcome: RecordOutcome

    @property
    def count(self) -> int:
        """How many records it tells of: a batch that cannot be unpacked came as one."""
        return self.why.extent.records if self.why.extent else 1

    @property
    def facts(self) -> dict[str, Any]:
        """For its one log line."""
        extent = self.why.extent
        many = {"records": extent.records, "last_offset": extent.last_offset} if extent else {}
        return {"reason": self.why.reason, "detail": self.why.detail, **many}


@dataclass
class _Rest:
    """Those of a batch that share one letter."""

    first: Record
    outcome: RecordOutcome
    last_offset: int = 0
    reasons: Counter[UnreadableReason] = field(default_factory=Counter)

    def together(self) -> Bad:
        place, reasons = self.first.coordinates, dict(self.reasons.most_common())
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        detail = (
            f"{self.reasons.total()} more records of one batch, "
            f"offsets {place.offset} to {self.last_offset}: {told}; "
            f"{place.topic} holds their bytes for as long as it keeps them"
        )
        extent = Extent(records=self.reasons.total(), last_offset=self.last_offset, reasons=reasons)
        why = Unreadable(reason=next(iter(reasons)), detail=detail, extent=extent)
        return Bad(Record(coordinates=place, key=None, value=None, headers=()), why, self.outcome)


@dataclass
class _State:
    """How far it is, where the batch ends, and how many bad ones of it came."""

    position: int
    batch_end: int
    count: int = 0
    rest: _Rest | None = None

    def copy(self) -> "_State":
        return replace(self, rest=self.rest and replace(self.rest, reasons=Counter(self.rest.reasons)))


class BadRecords:
    """What is not told of yet, as far as one partition was read without a gap under one assignment."""

    def __init__(self, epoch: int, position: int) -> None:
        self._epoch = epoch
        self._now = _State(position, batch_end=position - 1)
        self._before = self._now
        self._due: list[Bad] = []

    def begin(self, position: int) -> None:
        """A turn begins; it may come again."""
        self._now.position = position
        self._before = self._now.copy()

    def undo(self) -> None:
        """The turn is to come again as if it had not been: what it told of counts once."""
        self._now = self._before

    def goes_on(self, epoch: int, position: int) -> bool:
        """False after a step back, or once the partition may have been another member's."""
        return self._epoch == epoch and self._now.position <= position

    def add(self, bad: Bad, batch_end: int) -> None:
        """Note a record that cannot be read or taken, and where its batch ends."""
        offset = bad.record.coordinates.offset
        self._enter(offset, batch_end)
        self._now.count += 1
        if self._now.count <= ONE_BY_ONE:
            self._due.append(bad)
        else:
            self._now.rest = self._now.rest or _Rest(bad.record, bad.outcome)
            self._now.rest.last_offset = offset
            self._now.rest.reasons[bad.why.reason] += 1
        self._leave(offset)

    def passed(self, offset: int, batch_end: int) -> None:
        """Note a record that is dealt with."""
        self._enter(offset, batch_end)
        self._leave(offset)

    def take_due(self) -> list[Bad]:
        """What is to be told of now."""
        due, self._due = self._due, []
        return due

    @property
    def is_settled(self) -> bool:
        """True unless something is to be told of later."""
        return self._now.rest is None

    @property
    def safe(self) -> int:
        """The position before which everything is dealt with, once what was due is told of."""
        return self._now.position if self._now.rest is None else self._now.rest.first.coordinates.offset

    def _enter(self, offset: int, batch_end: int) -> None:
        if offset > self._now.batch_end:
            self._close()
            self._now.batch_end, self._now.count = batch_end, 0

    def _leave(self, offset: int) -> None:
        self._now.position = offset + 1
        if offset >= self._now.batch_end:
            self._close()

    def _close(self) -> None:
        if self._now.rest is not None:
            self._due.append(self._now.rest.together())
            self._now.rest = None
