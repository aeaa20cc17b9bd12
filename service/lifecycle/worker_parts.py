"""What a worker is made of, composed of its ports."""

from collections.abc import Callable

from domain.run import Run
from service.lifecycle.background_jobs import BackgroundJobs, Retention
from service.lifecycle.evaluation_files import EvaluationFiles
from service.lifecycle.events import Announcer
from service.lifecycle.execution import Work
from service.lifecycle.lease import LeaseKeeper
from service.lifecycle.patient_calls import WaitingCalls
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.run_status import RecordCloser
from service.lifecycle.run_steps import Heavy, Steps
from service.lifecycle.runner import Runner
from service.lifecycle.steps.compare import CompareStep
from service.lifecycle.steps.decide import DecideStep
from service.lifecycle.steps.evaluate import ChampionJudge
from service.lifecycle.steps.split import SplitStep
from service.promotion.projector import LedgerProjector
from service.promotion.reconciler import Reconciler
from service.runtime.retry import RetryPolicy


def runner_in(
    world: RunPorts,
    heavy: Heavy,
    projector: LedgerProjector,
    retry: RetryPolicy,
    lease_seconds: float,
    background_jobs: BackgroundJobs,
) -> Runner:
    """Compose a runner, which carries one lifecycle at a time with its own children."""
    return Runner(
        model_name=world.model_name,
        worker=world.worker,
        store=world.store,
        clock=world.clock,
        points=world.points,
        metrics=world.metrics,
        waits=world.waits,
        announcer=Announcer(world.clock, world.max_event_bytes),
        closer=closer_in(world),
        lease=LeaseKeeper(world.store, world.clock, world.points, lease_seconds, heavy.hold_until),
        retry=retry,
        background_jobs=background_jobs,
        begin_work=_begin_work(world, _steps(world, projector), heavy, retry),
    )


def _begin_work(world: RunPorts, steps: Steps, heavy: Heavy, retry: RetryPolicy) -> Callable[[Run], Work]:
    def begin(run: Run) -> Work:
        waiting = WaitingCalls(
            run,
            retry,
            store=world.store,
            clock=world.clock,
            points=world.points,
            metrics=world.metrics,
            waits=world.waits,
        )
        return Work(
            run,
            steps,
            heavy,
            waiting=waiting,
            clock=world.clock,
            points=world.points,
            max_attempts=retry.max_attempts,
        )

    return begin


def _steps(world: RunPorts, projector: LedgerProjector) -> Steps:
    model_name, metric, ledger, store = world.model_name, world.policy.metric, world.ledger, world.store
    return Steps(
        config=world.config,
        first_uses=world.first_uses,
        tracker=world.tracker,
        provenance=world.provenance,
        split=SplitStep(model_name, metric, world.first_uses, world.master_rows, ledger, store),
        judge=ChampionJudge(world.watch, world.versions),
        compare=CompareStep(model_name, metric, ledger, world.registry, store, world.versions),
        decide=decide_in(world),
        projector=projector,
    )


def decide_in(world: RunPorts) -> DecideStep:
    """Compose the step that decides."""
    return DecideStep(
        model_name=world.model_name,
        worker=world.worker,
        policy=world.policy,
        ledger=world.ledger,
        registry=world.registry,
        clock=world.clock,
        points=world.points,
        checks=world.checks,
        versions=world.versions,
        bars=world.bars,
    )


def closer_in(world: RunPorts) -> RecordCloser:
    """Compose what closes the records of ended runs."""
    return RecordCloser(world.store, world.tracker, world.provenance)


def reconciler_in(world: RunPorts, projector: LedgerProjector, pause_seconds: float) -> Reconciler:
    """Compose the reconciler."""
    return Reconciler(
        model_name=world.model_name,
        registry=world.registry,
        alias_writes=world.alias_writes,
        store=world.store,
        clock=world.clock,
        points=world.points,
        versions=world.versions,
        projector=projector,
        pause_seconds=pause_seconds,
        close_record=closer_in(world).close,
    )


def background_jobs_in(world: RunPorts, plots: EvaluationFiles, retention: Retention) -> BackgroundJobs:
    """Compose what a worker does when it is idle."""
    return BackgroundJobs(
        model_name=world.model_name,
        store=world.store,
        registry=world.registry,
        tracker=world.tracker,
        clock=world.clock,
        metrics=world.metrics,
        provenance=world.provenance,
        plots=plots,
        retention=retention,
    )
