"""Nothing is appended to the ledger before its counterparts were asked: registry and announcements."""

from dataclasses import dataclass
from typing import Final

from domain.counterparts import FITS, Agreement, Comparison
from domain.errors import GenerationTaken, LaurelError, NeverRetry, Stop
from domain.ledger import LedgerEntry
from domain.ports.clock import Clock
from domain.ports.model_registry import ModelRegistry
from domain.ports.promotion_ledger import PromotionLedger
from domain.ports.run_store import RunStore
from service.promotion.anchor import Anchor
from service.promotion.comparing import compared, compared_once
from service.runtime.lazy_log import LaterLog
from service.runtime.metrics import Metrics

log = LaterLog(__name__)

POLL_SECONDS: Final = 300.0


@dataclass(frozen=True)
class CounterpartChecks:
    """Compares one model's ledger with what the registry and the topic say."""

    model_name: str
    ledger: PromotionLedger
    registry: ModelRegistry
    store: RunStore
    anchor: Anchor
    metrics: Metrics

    async def verify(self, head: LedgerEntry | None) -> Comparison:
        """Compare all sides with a head; tell what does not fit, and remember a head that does.

        Raises GenerationTaken when it is the head no more: the others have seen what came after it.
        """
        found = await compared_once(self, head)
        self.note(head, found)
        return found

    def note(self, head: LedgerEntry | None, found: Comparison) -> None:
        """Tell what was found; remember a head that fits."""
        tell(found, self.metrics)
        if found.fits and head is not None:
            self.anchor.saw(head)

    async def require_agreement(self, head: LedgerEntry | None) -> None:
        """Require a fit, and make the registered model this ledger's if it is nobody's yet."""
        found = await self.require_fit(head)
        if not found.marked:
            await self.claim()

    async def require_fit(self, head: LedgerEntry | None) -> Comparison:
        """Verify, and change nothing.

        Raises NeverRetry with the reason when something does not fit: then nothing may be appended. Raises
        GenerationTaken when this is the head no more.
        """
        found = await self.verify(head)
        if not found.fits:
            raise NeverRetry(found.agreement.value, found.message, ledger=found.ledger, seen=found.seen)
        return found

    async def may_be_shown(self, head: LedgerEntry) -> bool:
        """True unless later generations were announced than this head: the alias then stays where it is.

        False when it is the head no more. Raises NeverRetry `ledger_behind` when the ledger has forgotten
        them.
        """
        newest = await self.anchor.newest()
        if newest is None or newest.generation <= head.generation:
            return True
        try:
            await self.require_agreement(head)
        except GenerationTaken:
            return False
        return True

    async def claim(self) -> None:
        """Mark the registered model, if nobody has marked it yet; of two at once the last one wins.

        Raises NeverRetry `another_ledger` for who was overwritten.
        """
        ledger_id = await self.ledger.identity()
        model = await self.registry.registered(self.model_name)
        if model is None or model.ledger_id == ledger_id:
            return
        if model.ledger_id is None:
            await self.registry.mark(self.model_name, ledger_id)
            model = await self.registry.registered(self.model_name)
        if model is None or model.ledger_id != ledger_id:
            raise NeverRetry(
                "another_ledger",
                f"another ledger has just claimed {self.model_name}; see `laurel ledger status`",
            )

    async def begin(self) -> None:
        """Look at a worker's start, before it takes requests from anybody.

        Raises Stop `another_ledger` with the sentence that says so, TryLater while a side is away; every
        other difference is an alarm.
        """
        try:
            head, found = await compared(self)
            self.note(head, found)
            if found.fits and head is not None and not found.marked:
                await self.claim()
        except NeverRetry as error:
            if error.reason == Agreement.ANOTHER_LEDGER:
                raise Stop(error.reason, error.message) from error
            _not_read(error)
            return
        if found.agreement is Agreement.ANOTHER_LEDGER:
            raise Stop("another_ledger", found.message, ledger=found.ledger, seen=found.seen)


def tell(found: Comparison, metrics: Metrics) -> None:
    """Raise the alarm, or take it back."""
    for agreement in set(Agreement) - FITS:
        metrics.set("laurel_promotions_stopped", agreement is found.agreement, reason=agreement.value)
    if not found.fits:
        log.error(
            "promotions_stopped",
            reason=found.agreement.value,
            ledger=found.ledger,
            seen=found.seen,
            message=found.message,
        )


def _not_read(error: LaurelError) -> None:
    log.warning("counterparts_not_read", reason=error.reason, message=error.message)


class CounterpartLooks:
    """Reads what was announced at long intervals, so that a restored backup is told while nothing happens."""

    def __init__(self, checks: CounterpartChecks, clock: Clock, pause_seconds: float = POLL_SECONDS) -> None:
        self._checks = checks
        self._clock = clock
        self._pause_seconds = pause_seconds

    async def run_forever(self) -> None:
        """Look after every pause; a service that is away is looked at the next time."""
        while True:
            await self._clock.sleep(self._pause_seconds)
            try:
                await self.look()
            except LaurelError as error:
                _not_read(error)

    async def look(self) -> None:
        """Read the topic and compare once."""
        await self._checks.anchor.read()
        self._checks.note(*await compared(self._checks))
