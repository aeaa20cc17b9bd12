"""What bars a model's promotions: holds, and quarantines of what was rolled away from."""

from collections.abc import Sequence
from typing import Protocol

from domain.announcement import Announcement
from domain.hold import HoldEnding, PromotionHold
from domain.quarantine import Lift, Quarantine


class HoldReads(Protocol):
    """Raises TryLater when the store does not answer."""

    async def active(self) -> PromotionHold | None:
        """The hold that stands now, by the store's clock."""

    async def open(self) -> PromotionHold | None:
        """The hold that nobody has ended, though its time may have come."""

    async def newest(self, limit: int) -> Sequence[PromotionHold]:
        """So many holds, ended ones too, newest first."""


class Holds(HoldReads, Protocol):
    """Each change is one transaction with its announcement, and safe to repeat under its id.

    While a hold stands, no ledger takes a promotion by the gate: an entry that comes later, however it was
    decided, raises PromotionBarred.
    """

    async def begin(self, hold: PromotionHold, announcement: Announcement) -> PromotionHold | None:
        """Begin a hold, after every promotion that is being committed; None while another one is open.

        A repeat gives the hold that was begun under its id.
        """

    async def end(
        self, hold: PromotionHold, ending: HoldEnding, announcement: Announcement
    ) -> PromotionHold | None:
        """End a hold, and give it as it is then; None when it was ended otherwise.

        An ending without an actor is that of its time, and ends no hold whose time has not come by the
        store's clock.
        """

    async def ended_by(self, ending_id: str) -> PromotionHold | None:
        """The hold that an ending of this id ended; None when there is none."""


class QuarantineReads(Protocol):
    """Raises TryLater when the store does not answer."""

    async def active(self) -> Sequence[Quarantine]:
        """What is quarantined now, newest first."""

    async def all(self, limit: int) -> Sequence[Quarantine]:
        """So many quarantines, lifted ones too, newest first."""


class Quarantines(QuarantineReads, Protocol):
    """Quarantines begin with a rollback's entry: `PromotionLedger.append`."""

    async def lift(self, generation: int, lift: Lift, announcement: Announcement) -> Quarantine | None:
        """Lift the quarantine of a generation, with its announcement in one transaction.

        Safe to repeat under the lift's id; None when the generation is not quarantined.
        """

    async def lifted_by(self, lift_id: str) -> Quarantine | None:
        """The quarantine that a lift of this id lifted; None when there is none."""
