"""Which series each role has from its first moment, at 0: an alert sees the first fault grow.

For a query that compares two moments, a counter that appears with its first fault never grew. So every label
is listed here that its metric can have; what only the settings know (channels) begins in its own place.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Final, get_args

from domain.convergence import ProblemReason, ReplicaState
from domain.counterparts import FITS, Agreement
from domain.events import (
    NOTICED,
    OUTGOING,
    REQUEST_TOPIC,
    ModelPromoted,
)
from domain.lifecycle import ENDS, Step
from domain.promotion_checks import Decision
from domain.record import UnreadableReason

Labels = Mapping[str, Sequence[str]]
Begun = Mapping[str, Labels]

STOPPED: Final = tuple(reason.value for reason in Agreement if reason not in FITS)
SERVICES: Final = (
    *("config", "disk", "dvc_remote", "kafka", "mlflow", "mlflow_experiment", "mlflow_run", "postgres"),
    "registry",
)
NOTICE_OUTCOMES: Final = ("sent", "given_up", "unclear", "known")
# Why a step can fail or be put off: the runbook's chapters "Failed" and "Waiting".
STEP_REASONS: Final = (
    *("alias_unusable", "another_ledger", "artifact_store_unusable", "bad_config", "cannot_predict"),
    *("child_not_ready", "column_missing", "column_type", "config_changed", "crash_loop", "data_contract"),
    *("dataset_digest_mismatch", "disk_full", "dvc_remote_unavailable", "dvc_remote_unusable"),
    *("empty_reference", "empty_train", "event_too_large", "file_error", "fit_failed", "foreign_model"),
    *("frame_invalid", "head_missing", "internal_error", "kafka_unavailable", "ledger_behind"),
    *("ledger_broken", "locality_without_rows", "master_changing", "metric_not_finite"),
    *("mlflow_experiment_deleted", "mlflow_foreign_answer", "mlflow_param_changed", "mlflow_refused"),
    *("mlflow_run_deleted", "mlflow_unavailable", "mlflow_value_too_long", "model_digest_mismatch"),
    *("model_files_differ", "model_missing", "model_out_of_reach", "model_source_refused"),
    *("model_too_large", "model_unsafe_path", "not_servable", "not_storable", "out_of_memory"),
    *("package_changed", "postgres_refused", "postgres_unavailable", "reference_digest_mismatch"),
    *("reference_rule_mismatch", "smoke_test_failed", "split_digest_mismatch", "step_cancelled"),
    *("step_died", "step_failed", "step_timeout", "train_reference_overlap", "unloadable_model"),
    *("unreadable_dataset", "untrusted_type", "upload_incomplete", "upload_mixed", "upload_refused"),
)
_STEPS: Final = tuple(step.value for step in Step)
_ENDS: Final = tuple(sorted(state.value for state in ENDS))
_TOLD: Final = tuple(event.topic for event in NOTICED)


def _reads(topics: Sequence[str], outcomes: Sequence[str]) -> Begun:
    """What every reader of topics has."""
    places = {"topic": topics}
    return {
        "laurel_records_total": {**places, "outcome": outcomes},
        "laurel_record_waits_total": places,
        "laurel_records_lost_total": places,
        "laurel_records_unreadable_total": places,
        "laurel_open_transaction_seconds": places,
        "laurel_partition_standstill_seconds": places,
    }


_WORKER: Final[Begun] = {
    **_reads((REQUEST_TOPIC,), ("stored", "known", "skipped", "dead_lettered")),
    "laurel_dead_letters_total": {"reason": get_args(UnreadableReason)},
    "laurel_events_sent_total": {"topic": tuple(event.topic for event in OUTGOING)},
    "laurel_event_failures_total": {"reason": ("kafka_unavailable", "kafka_denied", "event_too_large")},
    "laurel_runs_ended_total": {"state": _ENDS},
    "laurel_run_duration_seconds": {"state": _ENDS},
    "laurel_verdicts_total": {"decision": tuple(Decision)},
    "laurel_step_failures_total": {"step": _STEPS, "reason": STEP_REASONS},
    "laurel_step_duration_seconds": {"step": _STEPS},
    "laurel_waits_total": {"service": SERVICES},
    "laurel_waiting": {"service": SERVICES},
    "laurel_slots_given_back_total": {"service": SERVICES},
    "laurel_promotions_stopped": {"reason": STOPPED},
}
_LISTENER: Final[Begun] = {
    **_reads((ModelPromoted.topic,), ("heard", "skipped", "unreadable")),
    "laurel_reload_failures_total": {"reason": get_args(ProblemReason)},
    "laurel_replicas": {"state": tuple(state.value for state in ReplicaState)},
}
_BY_ROLE: Final[Mapping[str, Begun]] = {
    "worker": _WORKER,
    "reload-listener": _LISTENER,
    "notifier": _reads(_TOLD, ("told", "skipped", "unreadable")),
}


def begun(role: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each series that the role has from the start, as its metric's name and its labels."""
    for name, labels in _BY_ROLE.get(role, {}).items():
        for values in product(*labels.values()):
            yield name, dict(zip(labels, values, strict=True))
