"""What became of a record: one value for the log line, the counter and the commit."""

from collections.abc import Mapping
from typing import Any, Literal

from domain.record import Unreadable
from domain.values import Value

Outcome = Literal["stored", "known", "skipped", "unreadable", "dead_lettered", "heard", "told"]


class Handled(Value):
    """The outcome and the facts for its one log line; the record may be committed."""

    outcome: Outcome
    facts: Mapping[str, Any] = {}


def unreadable(why: Unreadable) -> Handled:
    """A record on a topic of our own says nothing: passed over, with a warning."""
    return Handled(outcome="unreadable", facts={"reason": why.reason, "detail": why.detail})
