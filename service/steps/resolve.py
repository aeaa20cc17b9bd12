"""Resolve: from what was asked to one consistent, frozen configuration, or every reason why not."""

import asyncio
from collections.abc import Sequence

from domain.faults import Fault
from domain.ports.dataset_files import DatasetFiles
from domain.request import read_payload
from domain.resolved_config import ConfigUse, ResolvedConfig
from domain.run import Run
from domain.values import Value
from service.world import World


class Refused(Value):
    """The request may not run: all its faults at once."""

    faults: tuple[Fault, ...]


async def resolve(run: Run, world: World, files: DatasetFiles) -> ResolvedConfig | Refused:
    """Read the payload, fill it from the defaults, check everything that can be checked before any work."""
    read = read_payload(run.payload)
    if isinstance(read, list):
        return Refused(faults=tuple(read))
    config = await world.config.resolve(read.asked)
    if not isinstance(config, ResolvedConfig):
        return Refused(faults=tuple(config))
    used, unfit = await asyncio.gather(_first_digests(config, world), files.check(config))
    faults = [*unfit, *_edited_since(used)]
    if faults:
        return Refused(faults=tuple(faults))
    return await _freeze(config, [use for use, first in used if first is None], world, run.run_id)


async def _first_digests(config: ResolvedConfig, world: World) -> Sequence[tuple[ConfigUse, str | None]]:
    """Each file with the digest of its first use, all asked for at once; a first use never changes."""
    uses = list(config.uses())
    digests = await asyncio.gather(*(world.first_uses.known(use.family, use.name) for use in uses))
    return list(zip(uses, digests, strict=True))


def _edited_since(used: Sequence[tuple[ConfigUse, str | None]]) -> Sequence[Fault]:
    return [_changed(use, first) for use, first in used if first is not None and first != use.sha256]


async def _freeze(
    config: ResolvedConfig, new: Sequence[ConfigUse], world: World, run_id: str
) -> ResolvedConfig | Refused:
    """Record the digests of first uses; of two first users with different bytes, one is refused."""
    for use in new:
        first = await world.first_uses.record(use.family, use.name, use.sha256, run_id)
        if first != use.sha256:
            return Refused(faults=(_changed(use, first),))
    return config


def _changed(use: ConfigUse, first: str) -> Fault:
    file = f"{use.family}/{use.name}.yaml"
    return Fault(
        code="config_changed",
        field=use.family,
        message=f"{file} was edited since its first use: its sha256 was {first}, and is now {use.sha256}",
        allowed="restore the file as it was, or give the new content a version of its own",
        file=file,
    )
