"""The way back: one entry of the ledger names an earlier generation again, and everything follows it.

It trains nothing and registers nothing, so it is the one entry that is appended while MLflow is away: what
store and topic say has to fit, and the registry is compared when it is back.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from domain.bar_announcement import quarantine_begun
from domain.decisions import CannotDecide, made_under, require_not_overtaken, require_same
from domain.errors import GenerationTaken, ModelUnusable, TryLater
from domain.ledger import Cause, LedgerEntry
from domain.points import Point, Points
from domain.ports.clock import Clock
from domain.ports.promotion_ledger import PromotionLedger
from domain.ports.run_store import RunStore
from domain.rollback import (
    Obstacle,
    Refused,
    choose,
    first_step,
    named_target,
    returned_to,
    rollback_entry,
    rolled_away,
    was_left,
)
from service.promotion.alias_watch import AliasWatch
from service.promotion.comparing import compared_without_registry
from service.promotion.counterparts import CounterpartChecks
from service.promotion.quarantining import quarantines_of
from service.promotion.returnable import (
    MlflowSilent,
    Present,
    Returnable,
    require_fit_or_missing,
    require_fits,
    silent,
)
from service.runtime.lazy_log import LaterLog

log = LaterLog(__name__)

T = TypeVar("T")
T2 = TypeVar("T2")


class Both(Protocol):
    """Waits for two at once; raises the first's error, if it has one, else the second's."""

    async def __call__(self, first: Awaitable[T], second: Awaitable[T2], /) -> tuple[T, T2]:
        """Wait until both have ended."""


class RollbackPlan(NamedTuple):
    """What a rollback does.

    `left` are the generations that it leaves, `refused` the newer ones that it passes over. `doubt` is what
    speaks against a target that a person named, `unchecked` why MLflow could not be asked.
    """

    head: LedgerEntry
    target: LedgerEntry
    left: tuple[LedgerEntry, ...]
    refused: tuple[Refused, ...] = ()
    doubt: str = ""
    unchecked: str = ""


class RolledBack(NamedTuple):
    """The entry; `plan` is None if it was made before, under the same key. `unshown`: why not shown yet."""

    entry: LedgerEntry
    plan: RollbackPlan | None
    unshown: str


class RollbackOrder(NamedTuple):
    """What a person wants. `generation` None: the newest that served well."""

    generation: int | None
    reason: str
    actor: str
    key: str

    def made(self, entry: LedgerEntry) -> bool:
        """True for an entry that this very order makes."""
        to = returned_to(entry)
        return to is not None and self.generation in {None, to} and entry.reasons[0] == self.reason


@dataclass(frozen=True)
class Rollback:
    """Rolls one model back. `show` brings alias and defaults to the head, and says what prevents it.

    `both` asks ledger and topic while the target is looked at: a person waits for the sum otherwise.

    Raises CannotDecide; NeverRetry when store or topic do not fit the ledger; TryLater while one is away.
    """

    model_name: str
    ledger: PromotionLedger
    clock: Clock
    points: Points
    watch: AliasWatch
    checks: CounterpartChecks
    returnable: Returnable
    store: RunStore
    show: Callable[[], Awaitable[str]]
    both: Both

    async def plan(self, generation: int | None) -> RollbackPlan:
        """Look, and change nothing."""
        while True:
            try:
                return await self._planned(await self._entries(generation), generation)
            except GenerationTaken:
                continue

    async def roll_back(self, order: RollbackOrder) -> RolledBack:
        """Append the entry and show it. Safe to repeat under one key.

        The target is chosen once: a candidate that is promoted meanwhile is rolled away from as well.
        """
        seen = (await self._entries(None))[-1]
        unchecked, generation = await self._record_moves(), order.generation
        while True:
            entries = await self._entries(generation)
            if (made := made_under(order.key, entries)) is not None:
                require_same(made, order.key, same=order.made(made))
                return RolledBack(made, None, await self.show())
            require_not_overtaken(seen, entries, but_by=Cause.GATE)
            try:
                plan = await self._planned(entries, generation, unchecked)
                generation = plan.target.generation
                return await self._appended(plan, order)
            except GenerationTaken:
                continue

    async def _entries(self, generation: int | None) -> Sequence[LedgerEntry]:
        """The recent entries; those from an older generation on, if that is named."""
        entries = await self.ledger.last(self.model_name)
        if not entries:
            raise CannotDecide("no_champion", f"{self.model_name} has no champion: nothing to roll back")
        if generation is None or generation >= entries[0].generation:
            return entries
        return await self.ledger.last(self.model_name, entries[-1].generation - generation + 1)

    async def _record_moves(self) -> str:
        """A person's move of the alias that nobody has recorded came before this rollback, not after it.

        Return why MLflow was not asked, if it was not.
        """
        try:
            async with self.returnable.limit():
                await self.watch.settled_head()
        except ModelUnusable:  # the move cannot be recorded, and is in the way of nothing
            return ""
        except (TimeoutError, TryLater) as error:
            return _silence(error)
        return ""

    async def _planned(
        self, entries: Sequence[LedgerEntry], generation: int | None, unchecked: str = ""
    ) -> RollbackPlan:
        head = entries[-1]
        look = _Look(self.returnable, await self.returnable.present(head), unchecked)
        silent_at_fit, sought = await self.both(
            self._require_fit(head, unchecked), _sought(entries, generation, look)
        )
        left = rolled_away(entries, sought.target, head)
        return RollbackPlan(
            head, sought.target, left, sought.refused, sought.doubt, look.unchecked or silent_at_fit
        )

    async def _require_fit(self, head: LedgerEntry, unchecked: str) -> str:
        """Require that nothing speaks against an entry; return why MLflow was not asked, if it was not."""
        await self.checks.anchor.read()
        if not unchecked:
            try:
                async with self.returnable.limit():
                    await require_fit_or_missing(self.checks, head)
            except (TimeoutError, TryLater) as error:
                unchecked = _silence(error)
        if unchecked:
            require_fits(await compared_without_registry(self.checks, head))
        return unchecked

    async def _appended(self, plan: RollbackPlan, order: RollbackOrder) -> RolledBack:
        entry = rollback_entry(
            plan.head,
            plan.target,
            reason=order.reason,
            actor=order.actor,
            at=self.clock.now(),
            key=order.key,
        )
        left = await quarantines_of(entry, plan.left, self.store)
        await self.points.at(Point.ROLLBACK_BEFORE_COMMIT)
        await self.ledger.append(entry, quarantines=left, announcements=[*map(quarantine_begun, left)])
        await self.points.at(Point.ROLLBACK_AFTER_COMMIT)
        unshown = await self.show()  # at once: a command's first line of a log is a tenth of a second
        log.warning("rolled_back", generation=entry.generation, version=entry.version, actor=entry.actor)
        return RolledBack(entry, plan, unshown)


class _Look:
    """Looks at one generation after another; once MLflow is silent it is not asked again."""

    def __init__(self, returnable: Returnable, present: Present, unchecked: str) -> None:
        self._returnable = returnable
        self._present = present
        self.unchecked = unchecked

    async def __call__(self, entry: LedgerEntry) -> Obstacle | None:
        return await self.at(entry, named=False)

    async def at(self, entry: LedgerEntry, *, named: bool) -> Obstacle | None:
        if not self.unchecked:
            try:
                return await self._returnable.obstacle(entry, self._present, named=named)
            except MlflowSilent as error:
                self.unchecked = error.message
        return await self._returnable.known_obstacle(entry, self._present)


def _silence(error: TimeoutError | TryLater) -> str:
    """Say that MLflow is silent. Raises the error where another service is."""
    reason = silent(error)
    if not isinstance(reason, MlflowSilent):
        raise reason
    return reason.message


def _none_left(refused: Sequence[Refused]) -> str:
    if not refused:
        return "there is no earlier generation of another model"
    said = "; ".join(one.told for one in refused)
    return f"no earlier generation can be chosen: {said}. Name one to take it all the same: --to GENERATION"


class _Sought(NamedTuple):
    """What a rollback goes back to, what it passes over, and what speaks against a target that was named."""

    target: LedgerEntry
    refused: tuple[Refused, ...] = ()
    doubt: str = ""


async def _sought(entries: Sequence[LedgerEntry], generation: int | None, look: _Look) -> _Sought:
    if generation is None:
        first_step(entries[-1])
        return await _chosen(entries, look)
    target = named_target(entries, generation)
    return _Sought(target, doubt=await _doubt(entries, target, look))


async def _chosen(entries: Sequence[LedgerEntry], look: _Look) -> _Sought:
    choice = await choose(entries, look)
    if choice.target is None:
        raise CannotDecide("no_target", _none_left(choice.refused))
    return _Sought(choice.target, choice.refused)


async def _doubt(entries: Sequence[LedgerEntry], target: LedgerEntry, look: _Look) -> str:
    """What speaks against a generation that a person named, and does not hold it back."""
    obstacle = await look.at(target, named=True) or was_left(entries, target)
    if obstacle is not None and not obstacle.is_doubt:
        raise CannotDecide("cannot_return", await _instead(entries, target, obstacle, look))
    return obstacle.detail if obstacle else ""


async def _instead(
    entries: Sequence[LedgerEntry], target: LedgerEntry, obstacle: Obstacle, look: _Look
) -> str:
    """Say why a generation cannot be returned to, and which can."""
    other = (await choose(entries, look)).target
    way = f"the newest that can is generation {other.generation}" if other else "no other one can"
    return (
        f"generation {target.generation}, version {target.version}, cannot be returned to: "
        f"{obstacle.detail}; {way}"
    )
