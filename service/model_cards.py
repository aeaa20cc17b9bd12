"""The model card of a run that came to a verdict."""

from typing import Any

from domain.datasets import DatasetHashes, SplitParts
from domain.lifecycle import Step
from domain.model_card import ModelCard
from domain.promotion_checks import Champion
from domain.resolved_config import ResolvedConfig
from domain.run import Run
from domain.run_warnings import warnings_in
from service.provenance import Provenance
from service.steps.outputs import Decided, Evaluated, Trained


def model_card(run: Run, config: ResolvedConfig, provenance: Provenance) -> ModelCard:
    """Write down what a person should know about a run's model."""
    outputs = run.outputs
    trained, evaluated = (
        Trained.model_validate(outputs[Step.TRAIN]),
        Evaluated.model_validate(outputs[Step.EVALUATE]),
    )
    decided, hashes = (
        Decided.model_validate(outputs[Step.DECIDE]),
        DatasetHashes.model_validate(outputs[Step.VERSION]),
    )
    champion = decided.champion if isinstance(decided.champion, Champion) else None
    fates = SplitParts.model_validate(outputs[Step.SPLIT]).fates
    lineage: dict[str, Any] = {f"dvc {name}": value for name, value in hashes.files.items()}
    lineage |= {f"config {use.family}/{use.name}": use.sha256 for use in config.uses()}
    return ModelCard(
        model_name=run.model_name,
        run_id=run.run_id,
        created_at=run.requested_at.isoformat(timespec="seconds"),
        versions=config.triple,
        model=config.model.model,
        features=config.features,
        target=config.contract.target,
        scores={"train": trained.package.train_score, **evaluated.candidate},
        champion_version=champion.version if champion else None,
        champion_score=champion.score if champion else None,
        verdict=decided.verdict,
        warnings=tuple(warning.message for warning in warnings_in(outputs)),
        fates=fates.by_name if fates else {},
        lineage=lineage,
        environment={"python": provenance.python_version, **provenance.packages},
    )
