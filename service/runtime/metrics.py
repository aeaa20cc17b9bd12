"""What Prometheus reads: a closed vocabulary of names, so that a slip is a type error.

A metric is emitted where its fact becomes true. Labels come from closed sets, never a run id. The comment
beside a name says what it means; units stand in the name. What the runs of this worker wait for counts those
too that gave their slot back meanwhile.
"""

import math
from collections import ChainMap
from collections.abc import Collection, Mapping
from typing import Any, Final, Literal

CounterName = Literal[
    "laurel_records_total",  # records that came in, by what became of them
    "laurel_record_waits_total",  # times a partition had to wait because a service was away
    "laurel_records_lost_total",  # alarms: records deleted from the topic before they were read
    "laurel_records_unreadable_total",  # alarms: records on Laurel's own topics that could not be read
    "laurel_dead_letters_total",  # records set aside, by reason
    "laurel_consumer_restarts_total",  # times the consumer died or could not start, and was restarted
    "laurel_events_sent_total",  # announcements that Kafka acknowledged, by topic
    "laurel_event_failures_total",  # announcements that could not be sent yet, by reason
    "laurel_runs_ended_total",  # runs by end: COMPLETED, DECLINED, REJECTED, FAILED
    "laurel_verdicts_total",  # verdicts of the gate: PROMOTE, DECLINE, INCONCLUSIVE, HELD, QUARANTINED
    "laurel_step_failures_total",  # attempts that failed or were put off, by step and reason
    "laurel_waits_total",  # times a run began to wait for a service
    "laurel_slots_given_back_total",  # times a run that could do nothing but wait left its slot to others
    "laurel_leases_lost_total",  # claims that could not be kept, so that another worker may go on
    "laurel_reload_failures_total",  # pursuits of a replica that ended without the champion, by reason
    "laurel_overrides_total",  # alias changes by hand that were recorded
    "laurel_rollbacks_total",  # rollbacks in the ledger: each worker of a model tells them all
    "laurel_notices_total",  # messages to people, by what became of them in one channel
]
HistogramName = Literal[
    "laurel_step_duration_seconds",  # one attempt of a step, start to end
    "laurel_run_duration_seconds",  # from the request's coming to the run's end
    "laurel_convergence_seconds",  # from a promotion to a replica's own word that it serves it
    "laurel_publish_duration_seconds",  # one announcement, from the call to Kafka's acknowledgement
]
GaugeName = Literal[
    "laurel_outbox_age_seconds",  # how long the oldest unsent announcement has waited
    "laurel_relay",  # 1 in the one process that sends
    "laurel_runs_in_flight",  # lifecycles that this worker carries now
    "laurel_ledger_generation",  # the head of the promotion ledger, as this process saw it last
    "laurel_head_age_seconds",  # how long the present champion has been the head of the ledger
    "laurel_promotions_stopped",  # alarm: 1 while ledger, registry and topic do not agree, by reason
    "laurel_hold",  # 1 while a person holds promotions
    "laurel_replicas",  # inference servers by what they serve, as the reload listener saw them last
    "laurel_waiting",  # 1 while a run waits for the service, with or without its slot
    "laurel_partition_standstill_seconds",  # how long a partition with unread records has not moved on
    "laurel_open_transaction_seconds",  # how long an open transaction has held a partition of the topic up
    "laurel_remote_objects_missing",  # how many of the sampled older objects the DVC remote lacks
    "laurel_remote_replaced",  # 1 when the DVC remote does not bear the id that it bore first
    "laurel_runs_unfinished",  # the queue: runs that have not ended, on any worker or on none
    "laurel_runs_unclaimed",  # those of them that no worker holds now
    "laurel_oldest_request_age_seconds",  # how long the oldest unfinished run has been there
    "laurel_oldest_unclaimed_age_seconds",  # how long the oldest run that no worker holds has been there
]

_COUNTERS: Final[Mapping[CounterName, tuple[str, ...]]] = {
    "laurel_records_total": ("topic", "outcome"),
    "laurel_record_waits_total": ("topic",),
    "laurel_records_lost_total": ("topic",),
    "laurel_records_unreadable_total": ("topic",),
    "laurel_dead_letters_total": ("reason",),
    "laurel_consumer_restarts_total": (),
    "laurel_events_sent_total": ("topic",),
    "laurel_event_failures_total": ("reason",),
    "laurel_runs_ended_total": ("state",),
    "laurel_verdicts_total": ("decision",),
    "laurel_step_failures_total": ("step", "reason"),
    "laurel_waits_total": ("service",),
    "laurel_slots_given_back_total": ("service",),
    "laurel_leases_lost_total": (),
    "laurel_reload_failures_total": ("reason",),
    "laurel_overrides_total": (),
    "laurel_rollbacks_total": (),
    "laurel_notices_total": ("subject", "channel", "outcome"),
}
_HISTOGRAMS: Final[Mapping[HistogramName, tuple[str, ...]]] = {
    "laurel_step_duration_seconds": ("step",),
    "laurel_run_duration_seconds": ("state",),
    "laurel_convergence_seconds": (),
    "laurel_publish_duration_seconds": (),
}
_GAUGES: Final[Mapping[GaugeName, tuple[str, ...]]] = {
    "laurel_outbox_age_seconds": (),
    "laurel_relay": (),
    "laurel_runs_in_flight": (),
    "laurel_ledger_generation": (),
    "laurel_head_age_seconds": (),
    "laurel_promotions_stopped": ("reason",),
    "laurel_hold": (),
    "laurel_replicas": ("state",),
    "laurel_waiting": ("service",),
    "laurel_open_transaction_seconds": ("topic",),
    "laurel_partition_standstill_seconds": ("topic",),
    "laurel_remote_objects_missing": (),
    "laurel_remote_replaced": (),
    "laurel_runs_unfinished": (),
    "laurel_runs_unclaimed": (),
    "laurel_oldest_request_age_seconds": (),
    "laurel_oldest_unclaimed_age_seconds": (),
}
# From an acknowledgement of a millisecond to a fit of hours.
_BUCKETS: Final = (0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 36000)


class Metrics:
    """One process's metrics; every series has the labels `model` and `role`, and is there from the start."""

    def __init__(self, *, model: str = "", role: str = "") -> None:
        # Not above: a command has none of them, and Prometheus' client is 50 ms of its start.
        from prometheus_client import Counter, Gauge, Histogram  # noqa: PLC0415 - see above

        from service.runtime.identity_labels import Identified  # noqa: PLC0415 - likewise
        from service.runtime.metric_series import begun  # noqa: PLC0415 - likewise

        self._shown = Identified(model, role)
        registry = self._shown.registry
        self._counters = {
            name: Counter(name, name, labels, registry=registry) for name, labels in _COUNTERS.items()
        }
        self._gauges = {
            name: Gauge(name, name, labels, registry=registry) for name, labels in _GAUGES.items()
        }
        self._histograms = {
            name: Histogram(name, name, labels, buckets=_BUCKETS, registry=registry)
            for name, labels in _HISTOGRAMS.items()
        }
        families: ChainMap[Any, Any] = ChainMap(self._counters, self._gauges, self._histograms)
        for name, labels in begun(role):
            families[name].labels(**labels)

    def count(self, name: CounterName, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def observe(self, name: HistogramName, value: float, **labels: str) -> None:
        """Add one observation to a histogram."""
        histogram = self._histograms[name]
        (histogram.labels(**labels) if labels else histogram).observe(value)

    def set(self, name: GaugeName, value: float, **labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges[name]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return self._shown.render()


class UnreadMetrics(Metrics):
    """A command's: it ends before anybody could read them."""

    def __init__(self) -> None:
        """Make none of them."""

    def count(self, name: CounterName, amount: float = 1, **labels: str) -> None:
        """Count nothing."""

    def observe(self, name: HistogramName, value: float, **labels: str) -> None:
        """Keep nothing."""

    def set(self, name: GaugeName, value: float, **labels: str) -> None:
        """Set nothing."""


_CLAIM_SECONDS: Final = 30.0  # a run that is due and not claimed here by then is another worker's


class Waits:
    """Holds the gauge `laurel_waiting` at 1 for a service as long as one run waits for it."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], float] = {}  # by run and service; moments of the monotonic clock
        self._shown: set[str] = set()

    def begin(self, run_id: str, service: str, metrics: Metrics) -> None:
        """A run in hand waits for a service."""
        self._until[run_id, service] = math.inf
        self._show(metrics)

    def over(self, run_id: str, metrics: Metrics, services: Collection[str] | None = None) -> None:
        """A run waits for these services, or for any, no more."""
        for run, service in list(self._until):
            if run == run_id and (services is None or service in services):
                del self._until[run, service]
        self._show(metrics)

    def put_off(self, run_id: str, due: float) -> None:
        """A run gave its slot back until `due`, and waits on."""
        for key in self._until:
            if key[0] == run_id:
                self._until[key] = due + _CLAIM_SECONDS

    def look(self, now: float, metrics: Metrics) -> None:
        """Forget the runs that were not taken again here in time."""
        self._until = {key: until for key, until in self._until.items() if until > now}
        self._show(metrics)

    def _show(self, metrics: Metrics) -> None:
        waited_for = {service for _, service in self._until}
        for service in waited_for | self._shown:
            metrics.set("laurel_waiting", float(service in waited_for), service=service)
        self._shown = waited_for
