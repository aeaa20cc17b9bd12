"""Split: check the master against its contract and cut it into the run's own parts."""

from domain.datasets import SplitParts
from domain.errors import NeverRetry
from domain.ports.dataset_files import DatasetFiles
from domain.promotion_checks import unfit_metric
from domain.resolved_config import ResolvedConfig
from domain.run_warnings import RunWarning
from service.champion_run import origin_of, rows_without_effect
from service.master_rows import record_rows
from service.world import World


async def split(run_id: str, config: ResolvedConfig, world: World, files: DatasetFiles) -> SplitParts:
    """Split; the reference must be the one that was used first under this split version."""
    name = f"v{config.split.version}"
    parts = await files.split(run_id, config, await world.first_uses.known("reference", name))
    await record_rows(parts.master.rows, world)
    first = await world.first_uses.record("reference", name, parts.reference.sha256, run_id)
    if first != parts.reference.sha256:
        raise NeverRetry(
            "reference_digest_mismatch",
            f"the reference of split {name} is not the one that was used first: its sha256 was {first}, "
            f"and is now {parts.reference.sha256}; restore the file, or make a new split version",
            expected=first,
            found=parts.reference.sha256,
            path=parts.reference.path,
        )
    return parts.warned(*await _warnings(config, parts, world))


async def _warnings(config: ResolvedConfig, parts: SplitParts, world: World) -> list[RunWarning]:
    """What the rows alone do not tell: whether the gate's metric fits, and whether a fit can differ."""
    unfit = unfit_metric(world.policy.metric, parts.targets_below_zero, parts.reference.rows)
    facts = {"metric": world.policy.metric, "rows": parts.targets_below_zero, "of": parts.reference.rows}
    found = [RunWarning(code="metric_unfit", message=unfit, facts=facts)] if unfit else []
    head = await world.ledger.head(world.model_name)
    origin = None if head is None else await origin_of(head, world)
    new = rows_without_effect(origin, config, parts)
    if head is not None and new is not None:
        message = (
            f"the training part is that of the champion (version {head.version}), byte for byte, and split, "
            f"features and model are the same: the fit can make no other model; {new} new rows of the master "
            "have no effect"
        )
        told = {"version": head.version, "generation": head.generation, "new_rows": new}
        found.append(RunWarning(code="unchanged_training_part", message=message, facts=told))
    return found
