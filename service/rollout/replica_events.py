"""What is said of the replicas: a log line for each change, metrics, and each fact once as an event."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from domain.announcement import Announcement, diverged, reloaded, seconds_since
from domain.convergence import Replica, ReplicaObservation, ReplicaState, RolloutTarget, replica_state
from domain.errors import LaurelError, Stop, TryLater
from domain.ports.clock import Clock
from domain.ports.messages import Outbox
from service.runtime.lazy_log import LaterLog
from service.runtime.metrics import Metrics

_IN_PLACE: Final = frozenset({ReplicaState.SERVING, ReplicaState.NO_GENERATION, ReplicaState.STALE})

log = LaterLog("laurel.convergence")


class ReplicaReports:
    """Knows what was seen of each replica, and what was said; what the store cannot take now waits.

    Events go through the outbox under ids that follow from replica, generation and outcome: to say one again,
    after a crash or in another process, says nothing new.
    """

    def __init__(
        self, outbox: Outbox, metrics: Metrics, clock: Clock, *, model_name: str, listener: str
    ) -> None:
        self._outbox = outbox
        self._metrics = metrics
        self._clock = clock
        self._model_name = model_name
        self._listener = listener
        self._began = clock.monotonic()
        self._seen: dict[str, tuple[ReplicaObservation, ReplicaState]] = {}
        self._waiting: dict[str, Announcement] = {}
        self._said: set[str] = set()
        self._generation = 0
        self._reporting = asyncio.Lock()

    def knows_to_differ(self, replica: Replica, wanted: RolloutTarget) -> bool:
        """True when it was seen, and said, that the replica does not serve this."""
        observation, _ = self._seen.get(replica.name, (None, None))
        return (
            observation is not None
            and wanted.generation == self._generation
            and not observation.serves(wanted)
        )

    async def saw(
        self, replica: Replica, observation: ReplicaObservation, wanted: RolloutTarget | None
    ) -> None:
        """Note what came of a look or a pursuit."""
        self._note(replica, observation, replica_state(observation, wanted))
        if wanted is None:
            return
        self._begin(wanted)
        at = self._clock.now()
        if observation.served is not None and observation.serves(wanted):
            event = reloaded(
                self._model_name, replica, wanted, observation.served, at=at, listener=self._listener
            )
            self._measure(event, wanted, at)
        else:
            self._metrics.count("laurel_reload_failures_total", reason=observation.why_not(wanted).reason)
            event = diverged(self._model_name, replica, wanted, observation, at=at, listener=self._listener)
        if event.event_id not in self._said:
            self._said.add(event.event_id)
            self._waiting[event.event_id] = event
        await self.tell()

    async def tell(self) -> None:
        """Put into the outbox what waits; while the store is away it goes on waiting."""
        async with self._reporting:
            for event in list(self._waiting.values()):
                try:
                    await self._outbox.add(event)
                except (TryLater, Stop) as error:
                    log.warning("replica_event_waits", reason=error.reason, message=error.message)
                    return
                except LaurelError as error:  # the store will never take it
                    log.error("replica_event_refused", reason=error.reason, message=error.message)  # noqa: TRY400 - no defect
                del self._waiting[event.event_id]

    def keep_only(self, replicas: Iterable[Replica]) -> None:
        """Forget replicas that are no longer behind any name."""
        names = {replica.name for replica in replicas}
        for gone in self._seen.keys() - names:
            del self._seen[gone]
            log.info("replica_gone", replica=gone)
        self._count()

    def _note(self, replica: Replica, observation: ReplicaObservation, now: ReplicaState) -> None:
        before = self._seen.get(replica.name)
        self._seen[replica.name] = (observation, now)
        if before is None or _gist(*before) != _gist(observation, now):
            served, problem = observation.served, observation.problem
            (log.info if now in _IN_PLACE else log.warning)(
                "replica_changed",
                replica=replica.name,
                state=now.value,
                generation=served.generation if served else None,
                version=served.version if served else None,
                reason=problem.reason if problem else None,
                detail=problem.detail if problem else None,
            )
        self._count()

    def _begin(self, wanted: RolloutTarget) -> None:
        """With a new generation, what was said of another is over."""
        if wanted.generation != self._generation:
            self._generation = wanted.generation
            self._said = set(self._waiting)

    def _measure(self, event: Announcement, wanted: RolloutTarget, at: datetime) -> None:
        """Take the time from the promotion, unless that was before this process could have seen it."""
        seconds, lived = seconds_since(wanted, at), self._clock.monotonic() - self._began
        if seconds is None or seconds > lived or event.event_id in self._said:
            return
        self._metrics.observe("laurel_convergence_seconds", seconds)

    def _count(self) -> None:
        found = Counter(now for _, now in self._seen.values())
        for state in ReplicaState:
            self._metrics.set("laurel_replicas", found[state], state=state.value)


def _gist(observation: ReplicaObservation, now: ReplicaState) -> tuple[object, ...]:
    return now, observation.served, observation.problem.reason if observation.problem else None
