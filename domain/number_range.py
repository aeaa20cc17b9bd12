"""Numbers between two bounds, and the words that say so."""

from typing import NamedTuple


class NumberRange(NamedTuple):
    """Numbers from `low` to `high`; `low` itself is allowed unless `above`. None is no bound."""

    low: float | None = None
    high: float | None = None
    whole: bool = False
    above: bool = False

    def allows(self, value: object) -> bool:
        """True for a number inside; a truth value is no number."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        if self.low is not None and (value <= self.low if self.above else value < self.low):
            return False
        return self.high is None or value <= self.high

    def __str__(self) -> str:
        """What is allowed, in words."""
        bounds = [] if self.low is None else [f"{'more than' if self.above else 'at least'} {self.low:g}"]
        bounds += [] if self.high is None else [f"at most {self.high:g}"]
        return " ".join(["a whole number" if self.whole else "a number", " and ".join(bounds)]).strip()
