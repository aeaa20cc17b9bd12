"""The pictures and the model card of an ended run: drawn when nobody waits for them."""

from pathlib import Path
from typing import Any

from domain.datasets import DatasetHashes, SplitParts
from domain.lifecycle import Step
from domain.model_card import ModelCard
from domain.models import OpenedRun
from domain.ports.model_registry import ModelRegistry
from domain.promotion_checks import Champion
from domain.resolved_config import ResolvedConfig
from domain.run import Run
from domain.split_rules import GeographicSplit
from service.adapters.mlflow.access import MlflowAccess
from service.heavy.desk import Desk, Places
from service.heavy.trainer import ChildTrainer, Fetched
from service.provenance import Provenance
from service.steps.outputs import Decided, Evaluated, Trained

CHILD = "pictures"


class Pictures:
    """Scores both models once more for their rows, draws, and uploads to the run of record."""

    def __init__(
        self, desk: Desk, places: Places, access: MlflowAccess, trainer: ChildTrainer, registry: ModelRegistry
    ) -> None:
        self._desk = desk
        self._places = places
        self._access = access
        self._trainer = trainer
        self._registry = registry

    async def draw(self, run: Run, provenance: Provenance) -> None:
        """Draw for a run that has a verdict. Safe to repeat."""
        folder = self._places.run(run.run_id) / "pictures"
        config = ResolvedConfig.model_validate(run.outputs[Step.RESOLVE])
        trained = Trained.model_validate(run.outputs[Step.TRAIN])
        decided = Decided.model_validate(run.outputs[Step.DECIDE])
        package = trained.package
        candidate = await self._predictions(
            Fetched(package.folder, package.manifest, foreign=False), config, run, folder
        )
        answer = await self._desk.run(
            CHILD,
            "draw",
            candidate=candidate,
            champion=await self._champion_predictions(run, config, decided, folder),
            target=config.contract.target,
            folder=str(folder),
            card=model_card(run, config, provenance).model_dump(mode="json"),
        )
        opened = OpenedRun.model_validate(run.outputs["open_run"])
        await self._desk.run(
            CHILD,
            "upload_files",
            artifact_uri=f"{opened.artifact_uri}/evaluation",
            folder=str(folder),
            files=sorted(answer["files"]),
            access=self._access,
        )

    async def _champion_predictions(
        self, run: Run, config: ResolvedConfig, decided: Decided, folder: Path
    ) -> str | None:
        if not isinstance(decided.champion, Champion):
            return None
        version = await self._registry.version(run.model_name, decided.champion.version)
        if version is None:
            return None
        return await self._predictions(await self._trainer.fetch(CHILD, version), config, run, folder)

    async def _predictions(self, model: Fetched, config: ResolvedConfig, run: Run, folder: Path) -> str:
        parts = SplitParts.model_validate(run.outputs[Step.SPLIT])
        locality = config.split.geographic_column if isinstance(config.split, GeographicSplit) else None
        answer = await self._trainer.score(
            CHILD,
            model,
            config,
            {"reference": parts.reference},
            predictions_folder=str(folder),
            locality_column=locality,
        )
        return str(answer["predictions"]["reference"])


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
    lineage: dict[str, Any] = {f"dvc {name}": value for name, value in hashes.files.items()}
    lineage |= {f"config {use.family}/{use.name}": use.sha256 for use in config.uses()}
    return ModelCard(
        model_name=run.model_name,
        run_id=run.run_id,
        created_at=run.updated_at.isoformat(timespec="seconds"),
        versions=config.triple,
        model=config.model.model,
        features=config.features,
        target=config.contract.target,
        scores={"train": trained.package.train_score, **evaluated.candidate},
        champion_version=champion.version if champion else None,
        champion_score=champion.score if champion else None,
        verdict=decided.verdict,
        lineage=lineage,
        environment={"python": provenance.python_version, **provenance.packages},
    )
