"""What people are told of, and what a message of each subject may name."""

from collections.abc import Mapping
from typing import Final, Literal, get_args

Subject = Literal[
    "promoted",
    "overridden",
    "declined",
    "rejected",
    "failed",
    "diverged",
    "missing",
    "held",
    "released",
    "quarantined",
    "quarantine_lifted",
]
SUBJECTS: Final[tuple[Subject, ...]] = get_args(Subject)

# What a template of each subject may name; documented in docs/notifications.md.
_PROMOTED: Final = frozenset(
    {
        *("model", "version", "generation", "previous", "cause", "actor", "reasons", "scores", "versions"),
        *("model_uri", "run_id", "mlflow_run_id", "promoted_at", "metric"),
    }
)
_QUARANTINE: Final = frozenset(
    {"model", "version", "generation", "by_generation", "versions", "actor", "reason", "run_id"}
)
FIELDS: Final[Mapping[Subject, frozenset[str]]] = {
    "promoted": _PROMOTED,
    "overridden": _PROMOTED,
    "declined": frozenset(
        {
            *("model", "decision", "reasons", "checks", "scores", "champion", "versions"),
            *("run_id", "mlflow_run_id", "metric"),
        }
    ),
    "rejected": frozenset({"model", "reason", "faults", "asked", "run_id"}),
    "failed": frozenset(
        {
            *("model", "step", "state", "reason", "message", "attempts", "versions"),
            *("run_id", "mlflow_run_id"),
        }
    ),
    "diverged": frozenset(
        {
            *("model", "replica", "address", "version", "generation", "served", "reason", "detail"),
            *("seconds", "listener"),
        }
    ),
    "missing": frozenset({"model", "version", "generation", "message", "mlflow_run_id", "noticed_at"}),
    "held": frozenset({"model", "reason", "actor", "held_at", "until"}),
    "released": frozenset({"model", "reason", "actor", "released_at", "held_at", "held_by", "held_because"}),
    "quarantined": _QUARANTINE,
    "quarantine_lifted": _QUARANTINE,
}
