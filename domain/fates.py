"""What became of the master's rows: each has one fate, and the fates add up to the master."""

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

LATE_FOR_REFERENCE: Final = "late_for_reference"
NO_PERIOD: Final = "no_period"
HELD_BACK_OUTSIDE: Final = "held_back_outside"


class RowFates(BaseModel):
    """How many rows of the master train, stand in the reference, stand in moving tests alone, or do nothing.

    A row of the reference that a moving test holds too counts for the reference. `unused` is by reason:
    `late_for_reference` came when the reference was made already, `no_period` is held back and of unknown
    time, `held_back_outside` is held back, and outside of the reference period and of every moving test.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    train: int = Field(ge=0)
    reference: int = Field(ge=0)
    tests: int = Field(ge=0)
    unused: Mapping[str, int]

    @property
    def by_name(self) -> dict[str, int]:
        """Every fate, flat; the numbers add up to the master's rows."""
        return {"train": self.train, "reference": self.reference, "tests": self.tests, **self.unused}
