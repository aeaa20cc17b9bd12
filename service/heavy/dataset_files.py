"""Port `DatasetFiles`, in the training child."""

from collections.abc import Sequence

from domain.compatibility import master_faults
from domain.datasets import DatasetFile, SplitParts
from domain.errors import NeverRetry
from domain.faults import Fault
from domain.resolved_config import ResolvedConfig
from service.heavy.desk import Desk, Places


class ChildDatasetFiles:
    """Splits in a child; the frozen configuration travels as JSON."""

    def __init__(self, desk: Desk, places: Places, cache_folder: str) -> None:
        self._desk = desk
        self._places = places
        self._cache_folder = cache_folder

    async def check(self, config: ResolvedConfig) -> Sequence[Fault]:
        """Compare the master's columns with what is needed; an unusable master is a fault too."""
        try:
            found = await self._desk.run("train", "inspect_master", master=str(self._places.master))
        except NeverRetry as error:
            return [Fault(code=error.reason, field="master", message=error.message)]
        return master_faults(config, found["columns"])

    async def count_rows(self) -> int:
        """Read the footer in the child that has less to do."""
        found = await self._desk.run("side", "inspect_master", master=str(self._places.master))
        return int(found["rows"])

    async def split(self, run_id: str, config: ResolvedConfig, reference_digest: str | None) -> SplitParts:
        """Split into the run's folder; the reference only if it is not there."""
        frozen = config.model_dump(mode="json")
        parts = await self._desk.run(
            "train",
            "split",
            master=str(self._places.master),
            run_folder=str(self._places.run(run_id)),
            reference_path=str(self._places.reference(config.split.version)),
            contract=frozen["contract"],
            split=frozen["split"],
            features=frozen["features"],
            expected_reference_digest=reference_digest,
        )
        return SplitParts.model_validate(parts)

    async def verify(self, parts: SplitParts) -> None:
        """Read every part again and compare its digest."""
        await self._desk.run("side", "verify_parts", parts=parts.model_dump(mode="json"))

    async def count_trained(
        self, config: ResolvedConfig, reference: DatasetFile, train: DatasetFile, dvc_hash: str | None
    ) -> int | None:
        """Look into the other run's folder, and then into DVC's cache, in the child that has less to do."""
        answer = await self._desk.run(
            "side",
            "count_trained",
            reference=reference.path,
            train=train.model_dump(mode="json"),
            cache_folder=self._cache_folder,
            dvc_hash=dvc_hash,
            contract=config.contract.model_dump(mode="json"),
        )
        rows: int | None = answer["rows"]
        return rows

    async def publish(self, config: ResolvedConfig, parts: SplitParts) -> None:
        """Copy the parts to `splits/vN/`."""
        folder = str(self._places.published(config.split.version))
        await self._desk.run("side", "publish", parts=parts.model_dump(mode="json"), folder=folder)
