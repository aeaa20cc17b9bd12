"""Resolve: from what was asked to one consistent, frozen configuration, or every reason why not."""

import asyncio
from collections.abc import Sequence

from domain.config_questions import slow_formats
from domain.faults import Fault
from domain.fit_threads import ThreadShare, frozen_threads
from domain.ports.config_families import ConfigFamilies
from domain.ports.dataset_files import DatasetFiles, FirstUses
from domain.request import read_payload
from domain.resolved_config import ConfigUse, ResolvedConfig
from domain.run import Run
from domain.values import Value


class ConfigurationRefused(Value):
    """The request may not run: all its faults at once."""

    faults: tuple[Fault, ...]


async def resolve(
    run: Run, families: ConfigFamilies, first_uses: FirstUses, files: DatasetFiles, share: ThreadShare
) -> ResolvedConfig | ConfigurationRefused:
    """Read the payload, fill it from the defaults, check everything that can be checked before any work."""
    read = read_payload(run.payload)
    if isinstance(read, list):
        return ConfigurationRefused(faults=tuple(read))
    config = await families.resolve(read.asked)
    if not isinstance(config, ResolvedConfig):
        return ConfigurationRefused(faults=tuple(config))
    used, unfit = await asyncio.gather(_first_digests(config, first_uses), files.check(config))
    faults = [*unfit, *_edited_since(used), *_new_slow_formats(config, used)]
    if faults:
        return ConfigurationRefused(faults=tuple(faults))
    threads = frozen_threads(config.model.model, share)
    config = config.model_copy(update={"fit_threads": threads})
    return await _freeze(config, [use for use, first in used if first is None], first_uses, run.run_id)


async def _first_digests(
    config: ResolvedConfig, first_uses: FirstUses
) -> Sequence[tuple[ConfigUse, str | None]]:
    """Each file with the digest of its first use, all asked for at once; a first use never changes."""
    uses = list(config.uses())
    digests = await asyncio.gather(*(first_uses.known(use.family, use.name) for use in uses))
    return list(zip(uses, digests, strict=True))


def _edited_since(used: Sequence[tuple[ConfigUse, str | None]]) -> Sequence[Fault]:
    return [_changed(use, first) for use, first in used if first is not None and first != use.sha256]


def _new_slow_formats(
    config: ResolvedConfig, used: Sequence[tuple[ConfigUse, str | None]]
) -> Sequence[Fault]:
    """A contract that was used before keeps working, whatever it holds."""
    is_new = any(use.family == "data_contracts" and first is None for use, first in used)
    return slow_formats(config.contract) if is_new else ()


async def _freeze(
    config: ResolvedConfig, new: Sequence[ConfigUse], first_uses: FirstUses, run_id: str
) -> ResolvedConfig | ConfigurationRefused:
    """Record the digests of first uses; of two first users with different bytes, one is refused."""
    for use in new:
        first = await first_uses.record(use.family, use.name, use.sha256, run_id)
        if first != use.sha256:
            return ConfigurationRefused(faults=(_changed(use, first),))
    return config


def _changed(use: ConfigUse, first: str) -> Fault:
    file = f"{use.family}/{use.name}.yaml"
    return Fault(
        code="config_changed",
        field=use.family,
        message=f"{file} was edited since its first use: its sha256 was {first}, and is now {use.sha256}",
        allowed="restore the file, or give the new content its own version",
        file=file,
    )
