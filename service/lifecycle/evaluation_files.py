"""The record's files, the plots and the model card of an ended run: made when nobody waits for them.

The files hold the whole of what was decided on, readable without Laurel.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from domain.datasets import DatasetHashes, SplitParts
from domain.judged import Judged, metric_of
from domain.lifecycle import State
from domain.ports.model_registry import ModelRegistry
from domain.promotion_checks import Champion
from domain.resolved_config import ResolvedConfig
from domain.run import Run
from domain.run_record import Decided, RunRecord, present
from domain.tracker_limits import long_values
from service.adapters.files.data_layout import DataLayout
from service.adapters.mlflow.access import MlflowAccess
from service.lifecycle.job_client import JobClient
from service.lifecycle.steps.jobs import DRAW, DrawJob, KeptPredictions, ModelOnDisk
from service.lifecycle.steps.open_run import opening_tags
from service.lifecycle.steps.record_end import failure_tags, model_card, verdict_tags
from service.lifecycle.steps.version import digest_tags
from service.lifecycle.trainer import ChildTrainer, own_model
from service.models.jobs import UPLOAD_FILES, UPLOAD_TEXTS, UploadFilesJob, UploadTextsJob
from service.runtime.provenance import Provenance

FOLDER = "laurel"


def record_texts(run: Run) -> dict[str, str]:
    """Texts by path below the run's artifacts; what a run did not come to is left out."""
    record = run.record
    found: dict[str, object] = {
        **_configuration(record.resolved),
        "contract_report": _contract_report(run, record.split),
        "dataset_statistics": record.split.statistics if record.split else None,
        "manifest": _manifest(record.versioned),
        "verdict": _verdict(record),
        "failure": run.failure.model_dump(mode="json") if run.failure else None,
        "long_values": _long_values(run) or None,
    }
    return {f"{FOLDER}/{name}.json": _text(content) for name, content in found.items() if content is not None}


def _configuration(resolved: ResolvedConfig | None) -> dict[str, object]:
    if resolved is None:
        return {}
    whole = resolved.model_dump(mode="json")
    return {"resolved_config": whole, "feature_schema": whole["features"]}


def _manifest(hashes: DatasetHashes | None) -> Mapping[str, object] | None:
    return {"sha256": hashes.manifest, "dvc": hashes.files} if hashes else None


def _verdict(record: RunRecord) -> Mapping[str, object] | None:
    judged = Judged.of_run(record)
    if record.decided is None:
        return None
    judged_by = judged.model_dump(mode="json") if judged else None
    return {**record.decided.model_dump(mode="json"), "judged_by": judged_by}


def _long_values(run: Run) -> Mapping[str, object]:
    """What stands in the record's params and tags as a pointer only."""
    record = run.record
    if record.resolved is None:
        return {}
    tags = {**opening_tags(run, record.resolved), **_later_tags(run, record)}
    return long_values(record.resolved.model.model.params, tags)


def _later_tags(run: Run, record: RunRecord) -> Mapping[str, str]:
    """The tags of the steps that the run came to."""
    return {
        **(digest_tags(record.versioned) if record.versioned else {}),
        **(verdict_tags(record.decided, metric_of(record)) if record.decided else {}),
        **(failure_tags(run, run.failure) if run.failure else {}),
    }


def _contract_report(run: Run, split: SplitParts | None) -> Mapping[str, object] | None:
    """The report of a run that passed, or the violations that ended it."""
    if split is not None:
        return split.contract_report
    broken = run.failure is not None and run.failure.reason == "data_contract"
    return dict(run.failure.facts) if run.failure and broken else None


def _text(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


CHILD = "pictures"


@dataclass(frozen=True)
class Bench:
    """A child that is not a lifecycle's, and what works in it."""

    jobs: JobClient
    trainer: ChildTrainer


OpenBench = Callable[[], AbstractAsyncContextManager[Bench]]
Draw = Callable[[Run, Provenance], Awaitable[None]]


class EvaluationFiles:
    """Scores both models once more for their rows, draws, and uploads to the run of record."""

    def __init__(
        self, open_bench: OpenBench, places: DataLayout, access: MlflowAccess, registry: ModelRegistry
    ) -> None:
        self._open_bench = open_bench
        self._places = places
        self._access = access
        self._registry = registry

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Draw]:
        """Lend what draws: one child, which imports a second long, for as many runs as there are."""
        async with self._open_bench() as bench:
            yield partial(self._put, bench)

    async def _put(self, bench: Bench, run: Run, provenance: Provenance) -> None:
        """Add the record's files and, after a verdict, the plots to an ended run. Safe to repeat."""
        await self._keep_texts(run, bench)
        if run.state in {State.COMPLETED, State.DECLINED}:
            await self._draw(run, provenance, bench)

    async def _keep_texts(self, run: Run, bench: Bench) -> None:
        opened = present(run.record.opened)
        job = UploadTextsJob(artifact_uri=opened.artifact_uri, texts=record_texts(run), access=self._access)
        await bench.jobs.run(CHILD, UPLOAD_TEXTS, job)

    async def _draw(self, run: Run, provenance: Provenance, bench: Bench) -> None:
        folder = self._places.run(run.run_id) / "pictures"
        record = run.record
        config, package = present(record.resolved), present(record.trained).package
        job = DrawJob(
            candidate=await self._predictions(bench, own_model(package), config, run),
            champion=await self._champion_predictions(bench, run, config, present(record.decided)),
            target=config.contract.target,
            folder=folder,
            card=model_card(run, record, provenance),
        )
        drawn = await bench.jobs.run(CHILD, DRAW, job)
        opened = present(run.record.opened)
        uploaded = UploadFilesJob(
            artifact_uri=f"{opened.artifact_uri}/evaluation",
            folder=str(folder),
            files=tuple(sorted(drawn.files)),
            access=self._access,
        )
        await bench.jobs.run(CHILD, UPLOAD_FILES, uploaded)

    async def _champion_predictions(
        self, bench: Bench, run: Run, config: ResolvedConfig, decided: Decided
    ) -> str | None:
        if not isinstance(decided.champion, Champion):
            return None
        version = await self._registry.version(run.model_name, decided.champion.version)
        if version is None:
            return None
        known = await self._registry.resolved(run.model_name, version)
        return await self._predictions(bench, await bench.trainer.fetch(CHILD, known), config, run)

    async def _predictions(self, bench: Bench, model: ModelOnDisk, config: ResolvedConfig, run: Run) -> str:
        parts = present(run.record.split)
        localities = config.split.localities
        locality = None if localities is None else localities.column
        keep = KeptPredictions(folder=self._places.run(run.run_id) / "pictures", locality_column=locality)
        scores = await bench.trainer.score(CHILD, model, config, {"reference": parts.reference}, keep)
        return scores.predictions["reference"]
