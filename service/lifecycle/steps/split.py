"""Split: check the master against its contract and cut it into the run's own parts.

How many rows the master has is kept for platforms that ask the DAG API. No fault there stops a run.
"""

from dataclasses import dataclass

import structlog

from domain.datasets import SplitParts
from domain.errors import LaurelError, NeverRetry
from domain.ports.clock import Clock
from domain.ports.dataset_files import DatasetFiles, FirstUses, MasterRows
from domain.ports.promotion_ledger import PromotionLedger
from domain.ports.run_store import RunStore
from domain.promotion_checks import unfit_metric
from domain.resolved_config import ResolvedConfig
from domain.run_warnings import RunWarning
from service.promotion.champion_run import origin_of, rows_without_effect
from service.runtime.told_once import ToldOnce

log = structlog.get_logger()


async def record_rows(rows: int, kept: MasterRows) -> None:
    """Keep the number, or say in the log why it is not kept."""
    try:
        await kept.record(rows)
    except LaurelError as error:
        log.warning("master_rows_not_kept", reason=error.reason, message=error.message)


class MasterLooks:
    """Counts the rows again and again, from the footer, as the data pipeline appends between two runs."""

    def __init__(self, kept: MasterRows, files: DatasetFiles, clock: Clock, pause_seconds: float) -> None:
        self._kept = kept
        self._clock = clock
        self._files = files
        self._pause_seconds = pause_seconds
        self._failures = ToldOnce("master_not_counted")

    async def run_forever(self) -> None:
        """Look at once and then after every pause."""
        while True:
            await self.look()
            await self._clock.sleep(self._pause_seconds)

    async def look(self) -> None:
        """Count and keep. A master that is missing, unreadable or half written leaves the last number."""
        with self._failures.told():
            await record_rows(await self._files.count_rows(), self._kept)


@dataclass(frozen=True)
class SplitStep:
    """Cuts the master, and holds the reference to its first use. `metric` is the gate's."""

    model_name: str
    metric: str
    first_uses: FirstUses
    master_rows: MasterRows
    ledger: PromotionLedger
    store: RunStore

    async def split(self, run_id: str, config: ResolvedConfig, files: DatasetFiles) -> SplitParts:
        """Split; the reference must be the one that was used first under this split version."""
        name = f"v{config.split.version}"
        parts = await files.split(run_id, config, await self.first_uses.known("reference", name))
        await record_rows(parts.master.rows, self.master_rows)
        first = await self.first_uses.record("reference", name, parts.reference.sha256, run_id)
        if first != parts.reference.sha256:
            raise NeverRetry(
                "reference_digest_mismatch",
                f"the reference of split {name} is not the one that was used first: its sha256 was {first}, "
                f"and is now {parts.reference.sha256}; restore the file, or make a new split version",
                expected=first,
                found=parts.reference.sha256,
                path=parts.reference.path,
            )
        return parts.warned(*await self._warnings(config, parts))

    async def _warnings(self, config: ResolvedConfig, parts: SplitParts) -> list[RunWarning]:
        """What the rows alone do not tell: whether the gate's metric fits, and whether a fit can differ."""
        unfit = unfit_metric(self.metric, parts.targets_below_zero, parts.reference.rows)
        facts = {"metric": self.metric, "rows": parts.targets_below_zero, "of": parts.reference.rows}
        found = [RunWarning(code="metric_unfit", message=unfit, facts=facts)] if unfit else []
        head = await self.ledger.head(self.model_name)
        origin = None if head is None else await origin_of(head, self.store)
        new = rows_without_effect(origin, config, parts)
        if head is not None and new is not None:
            message = (
                f"the training part is that of the champion (version {head.version}), byte for byte, and "
                f"split, features and model are the same: the fit gives the same model; {new} new rows of "
                "the master have no effect"
            )
            told = {"version": head.version, "generation": head.generation, "new_rows": new}
            found.append(RunWarning(code="unchanged_training_part", message=message, facts=told))
        return found
