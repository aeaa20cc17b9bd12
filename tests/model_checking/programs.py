"""What the processes run: the product's own coroutines, held together as the runner and the app do it."""

from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final, cast

from domain.decisions import CannotDecide
from domain.errors import GenerationTaken, LeaseLost, NeverRetry, PromotionBarred, TryLater
from domain.ledger import Cause, LedgerEntry, next_entry
from domain.metrics import Score
from domain.models import LoggedModel, ModelPackage, OpenedRun
from domain.points import Point
from domain.promotion_checks import Champion, NoChampion
from domain.run_actions import CannotCancel
from domain.run_record import ChampionOutlook, Evaluated, Trained
from domain.values import VersionTriple
from service.lifecycle.cancel import Cancelling
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.steps.decide import Inputs
from service.lifecycle.workbench import recovery_in
from service.lifecycle.worker_parts import decide_in, reconciler_in
from service.promotion.holding import PromotionHolding
from service.promotion.projector import LedgerProjector
from service.promotion.promoting import PromotionOrder
from service.promotion.rollback import RollbackOrder
from tests.model_checking.asking import A_PERSON, MODEL, Ask, AskingRuns, NotingPoints, StoppedClock
from tests.worlds.deciding import promotion_on, rollback_on

DIGEST: Final = "a" * 64
# rmsle by version: 1 and 2 were champions before, 3 and 4 are candidates, 9 is a person's choice
ERRORS: Final = {1: 0.9, 2: 0.8, 3: 0.5, 4: 0.4, 9: 0.7}
Program = Coroutine[Any, Any, None]


def score_of(version: int) -> Score:
    """The score of a version on the one reference."""
    return Score(metrics={"rmsle": ERRORS[version]}, dataset_digest=DIGEST, rows=10)


def triple_of(version: int) -> VersionTriple:
    """The triple that a version was made from: its own model version."""
    return VersionTriple(split_version=1, feature_version=1, model_version=version)


def earlier_entries(*versions: int) -> list[LedgerEntry]:
    """A ledger as it stands before anything runs."""
    entries: list[LedgerEntry] = []
    for version in versions:
        facts = {"triple": triple_of(version), "actor": "before", "at": StoppedClock().now()}
        reasons, head = ("before",), entries[-1] if entries else None
        entries.append(next_entry(MODEL, head, version=version, cause=Cause.GATE, reasons=reasons, **facts))
    return entries


def outlook_on(head: LedgerEntry | None) -> ChampionOutlook:
    """What scoring the head gives."""
    if head is None:
        return NoChampion()
    return Champion(version=head.version, generation=head.generation, score=score_of(head.version))


async def carry(
    version: int, evaluated_against: LedgerEntry | None, world: RunPorts, projector: LedgerProjector
) -> None:
    """Take over the run that makes `version` where its row says, and carry it to its end as a runner does."""
    fence, state, generation = await Ask("claim", version)
    if state == "TRAINED":
        state = await _evaluate(version, fence)
    if state == "EVALUATED":
        state, generation = await _decide(version, fence, evaluated_against, world)
    if state == "PROMOTED":
        await persist(version, fence, generation, world, projector)


async def _evaluate(version: int, fence: int) -> str:
    try:
        await Ask("commit_evaluated", (version, fence))
    except LeaseLost:
        return "another's"
    return "EVALUATED"


async def cancel(version: int, points: NotingPoints) -> None:
    """Be the person who cancels the run that makes `version`, wherever it is by then."""
    runs: Any = AskingRuns()
    noted: Any = points
    clock: Any = StoppedClock()
    run = await runs.get(str(version))
    with suppress(CannotCancel):
        await Cancelling(runs, clock, 1_000_000, noted).cancel(run, A_PERSON, None)


async def _decide(
    version: int, fence: int, evaluated_against: LedgerEntry | None, world: RunPorts
) -> tuple[str, int]:
    inputs = _inputs(version, evaluated_against)
    while True:
        await world.points.at(Point.DECIDE_BEFORE_EFFECT)
        try:
            _, entry = await decide_in(world).decide(inputs, _score_head)
        except GenerationTaken:
            continue
        await world.points.at(Point.DECIDE_AFTER_EFFECT)
        await world.points.at(Point.DECIDE_BEFORE_COMMIT)
        try:
            await Ask("commit_verdict", (version, fence, entry))
        except (GenerationTaken, PromotionBarred):
            continue
        except LeaseLost:
            return "another's", 0
        await world.points.at(Point.DECIDE_AFTER_COMMIT)
        return ("DECLINED", 0) if entry is None else ("PROMOTED", entry.generation)


async def persist(
    version: int, fence: int, generation: int, world: RunPorts, projector: LedgerProjector
) -> None:
    await world.points.at(Point.PERSIST_BEFORE_EFFECT)
    while not await _shown(generation, projector):
        pass
    await world.points.at(Point.PERSIST_AFTER_EFFECT)
    await world.points.at(Point.PERSIST_BEFORE_COMMIT)
    try:
        await Ask("commit_persisted", (version, fence))
    except LeaseLost:
        return
    await world.points.at(Point.PERSIST_AFTER_COMMIT)


async def _shown(generation: int, projector: LedgerProjector) -> bool:
    """One try of the persist step; what is missing is waited for."""
    try:
        shown = await projector.follow()
        if shown is None or shown.generation < generation:
            return False
        await projector.announce_up_to(shown)
    except (NeverRetry, TryLater):  # a promoted run is put off, and goes on
        return False
    return True


async def reconcile(world: RunPorts, projector: LedgerProjector) -> None:
    """Take one look."""
    reconciler = reconciler_in(replace(world, store=cast("Any", _NoChores())), projector, 0)
    try:
        await reconciler.look()
    except (NeverRetry, TryLater):
        return


async def accept(world: RunPorts) -> None:
    """Be the person who goes on after a restore, until it is done."""
    done = None
    while done is None or done.unshown:
        done = await recovery_in(world, cast("Any", world.anchor)).accept("a backup was restored")


async def hold(world: RunPorts) -> None:
    """Be the person who holds promotions, for ever."""
    holding = PromotionHolding(MODEL, world.holds, world.clock, world.points)
    await holding.hold("prices look wrong", None, A_PERSON, world.worker)


async def hold_and_release(world: RunPorts) -> None:
    """Be the person who holds promotions for a while."""
    await hold(world)
    holding = PromotionHolding(MODEL, world.holds, world.clock, world.points)
    await holding.release(None, A_PERSON, world.worker)


async def roll_back(world: RunPorts) -> None:
    """Be the person who steps back, until it is done or told that another was first."""
    order = RollbackOrder(None, "predictions far too high", "a person", world.worker)
    job = rollback_on(world)
    with suppress(CannotDecide):
        while (await job.roll_back(order)).unshown:
            pass


async def promote_by_hand(world: RunPorts) -> None:
    """Be the person who promotes version 9, until it is done or told that another was first."""
    order = PromotionOrder(9, "the best that we have", "a person", world.worker)
    job = promotion_on(world)
    with suppress(CannotDecide):
        while (await job.promote(order)).unshown:
            pass


class _NoChores:
    async def ended_without(self, _model: str, _chore: str, _limit: int) -> list[object]:
        return []


async def _score_head(head: LedgerEntry | None) -> ChampionOutlook:
    return outlook_on(head)


def _inputs(version: int, evaluated_against: LedgerEntry | None) -> Inputs:
    """What the steps before have left; of a run, only what a decision reads."""
    package = SimpleNamespace(digest=DIGEST, manifest={})
    model = SimpleNamespace(model_id=str(version), uri=f"models:/m-{version}")
    trained = SimpleNamespace(package=cast("ModelPackage", package), model=cast("LoggedModel", model))
    return Inputs(
        run=cast("Any", SimpleNamespace(run_id=f"run-{version}", correlation_id=f"run-{version}")),
        config=cast("Any", SimpleNamespace(triple=triple_of(version))),
        opened=OpenedRun(mlflow_run_id=f"mlflow-{version}", experiment_id="1", artifact_uri="x"),
        trained=cast("Trained", trained),
        evaluated=Evaluated(
            candidate={"reference": score_of(version)}, champion=outlook_on(evaluated_against), seconds=1.0
        ),
    )
