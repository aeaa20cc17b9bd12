"""What became of a record: one value for the log line, the counter and the commit."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from domain.record import Record, Unreadable
from domain.values import Value

RecordOutcome = Literal["stored", "known", "skipped", "unreadable", "dead_lettered", "heard", "told"]


class Handled(Value):
    """The outcome and the facts for its one log line; the record may be committed.

    `why` says what is wrong with the record. One that is `dead_lettered` may be committed once its letter is
    kept: the committer sees to that, for many at once.
    """

    outcome: RecordOutcome
    facts: Mapping[str, object] = {}
    why: Unreadable | None = None


Handle = Callable[[Record], Awaitable[Handled]]


def unreadable(why: Unreadable) -> Handled:
    """A record on a topic of our own says nothing: passed over, with a warning."""
    return _bad("unreadable", why)


def set_aside(why: Unreadable) -> Handled:
    """A record from a stranger cannot be read or taken."""
    return _bad("dead_lettered", why)


def _bad(outcome: RecordOutcome, why: Unreadable) -> Handled:
    return Handled(outcome=outcome, facts={"reason": why.reason, "detail": why.detail}, why=why)
