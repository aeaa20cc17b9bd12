"""The model card of a run that came to a verdict."""

from domain.judged import Judged
from domain.model_card import ModelCard
from domain.promotion_checks import Champion
from domain.run import Run
from domain.run_record import RunRecord, present
from service.runtime.provenance import Provenance


def model_card(run: Run, record: RunRecord, provenance: Provenance) -> ModelCard:
    """Write down what a person should know about a run's model; the record tells of its verdict."""
    trained, evaluated = present(record.trained), present(record.evaluated)
    decided, config = present(record.decided), present(record.resolved)
    fates, hashes = present(record.split).fates, present(record.versioned)
    champion = decided.champion if isinstance(decided.champion, Champion) else None
    lineage = {f"dvc {name}": value for name, value in hashes.files.items()}
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
        judged=Judged.of_run(record),
        warnings=tuple(warning.message for warning in record.warnings),
        fates=fates.by_name if fates else {},
        lineage=lineage,
        environment={"python": provenance.python_version, **provenance.packages},
    )
