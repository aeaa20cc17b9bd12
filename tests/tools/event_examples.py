"""One example of every event that Laurel sends: what the contract is tested with, and what documents show."""

from typing import Any, Final

from domain.events import (
    ChampionMissing,
    DatasetPart,
    Event,
    InferenceDiverged,
    InferenceReloaded,
    ModelDeclined,
    ModelEvaluated,
    ModelPromoted,
    ModelQuarantined,
    ModelQuarantineLifted,
    PromotionHeld,
    PromotionReleased,
    SplitCompleted,
    TrainingFailed,
    TrainingRejected,
)
from domain.faults import Fault
from domain.ledger import Cause
from domain.metrics import Score
from domain.promotion_checks import Check, Decision
from domain.values import VersionTriple

MODEL: Final = "price"
RUN_ID: Final = "935caf41-ebc9-4cbe-89c5-13fae776e8a5"
_MLFLOW_RUN: Final = "dab28dcffc0243eb9ec26fa1a33091e1"
_DIGEST: Final = "a" * 64
_TRIPLE: Final = VersionTriple(split_version=1, feature_version=2, model_version=3)
_SCORE: Final = Score(metrics={"rmsle": 0.2, "mae": 1.5}, dataset_digest=_DIGEST, rows=40)
_PART: Final = DatasetPart(path="/data/train.parquet", sha256=_DIGEST, rows=100, dvc_hash="b.dir")
_RUN: Final[dict[str, Any]] = {"model_name": MODEL, "run_id": RUN_ID}
_REPLICA: Final[dict[str, Any]] = {
    "model_name": MODEL,
    "replica": "http://inference:8000#10.0.0.3",
    "url": "http://inference:8000",
    "generation": 2,
    "version": 5,
    "listener": "host",
}
_QUARANTINE: Final[dict[str, Any]] = {
    "model_name": MODEL,
    "run_id": RUN_ID,
    "generation": 2,
    "version": 5,
    "by_generation": 3,
    "versions": _TRIPLE,
    "train_digest": _DIGEST,
    "reason": "it doubled every price",
}

REQUEST: Final[dict[str, Any]] = {"feature_version": 1, "model_version": "3", "reason": "new sales"}
EVENTS: Final[tuple[Event, ...]] = (
    SplitCompleted(
        **_RUN,
        mlflow_run_id=_MLFLOW_RUN,
        versions=_TRIPLE,
        master=_PART,
        train=_PART,
        reference=_PART,
        optional_tests={"recent_30_day": _PART},
        reference_created=True,
        duration_seconds=0.5,
    ),
    ModelEvaluated(
        **_RUN,
        mlflow_run_id=_MLFLOW_RUN,
        versions=_TRIPLE,
        reference_digest=_DIGEST,
        candidate=_SCORE,
        champion=None,
        champion_version=None,
        champion_generation=None,
        champion_problem="it does not load",
        optional_tests={"recent_30_day": _SCORE},
        training_seconds=1.0,
        evaluation_seconds=0.1,
        metric="mae",
    ),
    ModelPromoted(
        **_RUN,
        mlflow_run_id=_MLFLOW_RUN,
        version=5,
        model_uri=f"models:/{MODEL}/5",
        generation=2,
        previous_version=4,
        previous_generation=1,
        versions=_TRIPLE,
        cause=Cause.GATE,
        candidate=_SCORE,
        champion=_SCORE,
        reference_digest=_DIGEST,
        reasons=("gain +0.1",),
        actor="worker-1",
        promoted_at="2026-01-01T00:00:00+00:00",
        metric="mae",
        reason="gain +0.1",
    ),
    ModelPromoted(
        model_name=MODEL,
        run_id=None,
        mlflow_run_id=_MLFLOW_RUN,
        version=4,
        model_uri=f"models:/{MODEL}/4",
        generation=3,
        previous_version=5,
        previous_generation=2,
        versions=_TRIPLE,
        cause=Cause.ROLLBACK,
        candidate=None,
        champion=None,
        reference_digest=None,
        reasons=("predictions far too high", "back to generation 1, version 4"),
        actor="ops (api)",
        promoted_at="2026-01-02T03:00:00+00:00",
        reason="predictions far too high",
        returns_to=1,
    ),
    ModelDeclined(
        **_RUN,
        mlflow_run_id=_MLFLOW_RUN,
        versions=_TRIPLE,
        decision=Decision.INCONCLUSIVE,
        reasons=("different bytes",),
        checks=(Check(name="same_bytes", passed=False, detail="different bytes"),),
        candidate=_SCORE,
        champion=None,
        champion_version=None,
        champion_generation=None,
        metric="mae",
    ),
    TrainingRejected(
        **_RUN,
        reason="bad_version",
        faults=(Fault(code="bad_version", field="split_version", message="no version", allowed="an int"),),
        request={"split_version": "../x"},
    ),
    TrainingFailed(
        **_RUN,
        mlflow_run_id=None,
        versions=None,
        state="SPLIT",
        step="split",
        reason="disk_full",
        message="no space",
        facts={"free_bytes": 0},
        attempts=3,
    ),
    InferenceReloaded(
        **_REPLICA,
        address="10.0.0.3",
        seconds_since_promotion=0.3,
        confirmed_generation=2,
        mlflow_run_id=_MLFLOW_RUN,
    ),
    InferenceDiverged(
        **_REPLICA,
        address=None,
        seconds_since_promotion=None,
        served_generation=None,
        served_version=4,
        reason="reload_refused",
        detail="status 500: the files differ",
    ),
    ChampionMissing(
        model_name=MODEL,
        generation=2,
        version=5,
        mlflow_run_id=_MLFLOW_RUN,
        loss=1,
        noticed_at="2026-01-02T03:04:05+00:00",
        message="the registry no longer holds version 5 of price, the champion (generation 2)",
    ),
    PromotionHeld(
        model_name=MODEL,
        hold_id="0b2f8d3e-8a3c-4a86-9d0e-2f8f6d1f2a11",
        reason="audit until noon",
        actor="anna",
        door="api",
        proven=True,
        held_at="2026-11-24T07:31:19+00:00",
        until="2026-11-24T12:00:00+00:00",
    ),
    PromotionReleased(
        model_name=MODEL,
        hold_id="0b2f8d3e-8a3c-4a86-9d0e-2f8f6d1f2a11",
        reason="the audit is done",
        actor="ben@laptop",
        door="command line",
        proven=False,
        released_at="2026-11-24T11:02:03+00:00",
        held_at="2026-11-24T07:31:19+00:00",
        held_by="anna",
        held_because="audit until noon",
    ),
    ModelQuarantined(**_QUARANTINE, actor="anna (api)", quarantined_at="2026-11-24T03:04:05+00:00"),
    ModelQuarantineLifted(
        **{**_QUARANTINE, "reason": "it was the gateway, not the model"},
        actor="anna",
        door="api",
        proven=True,
        lifted_at="2026-11-24T09:10:11+00:00",
    ),
)
