"""Broken workers, each with one part overridden: what the cases must catch."""

from collections.abc import Callable, Mapping
from typing import Final

from domain.points import Points
from service.app import Makers

Breaks = Callable[[Makers, Points], Makers]
MUTANTS: Final[Mapping[str, Breaks]] = {}
