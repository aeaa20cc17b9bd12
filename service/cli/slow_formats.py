"""Formats that cannot be matched in linear time: refused in a new contract, named in one that was used."""

import asyncio
from collections.abc import Mapping

from config.settings import Settings
from domain.errors import LaurelError
from domain.faults import Fault
from service.adapters.files.config_families import FileConfigFamilies


async def sorted_slow_formats(
    families: FileConfigFamilies, settings: Settings | None
) -> tuple[list[Fault], list[Fault]]:
    """Those of contracts that were not used before, which are faults, and those of the others.

    The run store is only asked when there are any; while it is away, or without settings, no contract counts
    as used.
    """
    slow = [*families.slow_contracts()]
    used = await asyncio.to_thread(_used_contracts, settings) if slow and settings else {}
    kept = [faults for use, faults in slow if used.get(use.name) == use.sha256]
    new = [faults for use, faults in slow if used.get(use.name) != use.sha256]
    return [fault for faults in new for fault in faults], [fault for faults in kept for fault in faults]


def _used_contracts(settings: Settings) -> Mapping[str, str]:
    from service.adapters.postgres.first_uses import first_digests

    try:
        return first_digests(settings.sqlalchemy_url, settings.mlflow_model_name, "data_contracts")
    except LaurelError:
        return {}
