"""Split: check the master against its contract and cut it into the run's own parts."""

from domain.datasets import SplitParts
from domain.errors import NeverRetry
from domain.ports.dataset_files import DatasetFiles
from domain.resolved_config import ResolvedConfig
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
    return parts
