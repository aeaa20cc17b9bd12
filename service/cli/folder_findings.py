"""What the doctor says of folders: rights alone do not tell of a read-only mount, or of a refused call."""

from itertools import groupby
from pathlib import Path

from config.settings import Settings
from service.adapters.files.probe import probe
from service.cli.findings import Finding
from service.lifecycle.preflight import Written, folder_fault
from service.lifecycle.written_folders import written_folders


def folder_findings(settings: Settings) -> list[Finding]:
    """Try every folder that a worker writes to; one finding for each setting."""
    roots = {"CONFIG_ROOT": settings.config_root, "DATA_ROOT": settings.data_root}
    by_setting = groupby(written_folders(settings), lambda one: one.setting)
    return [_finding(name, [*folders], roots.get(name)) for name, folders in by_setting]


def _finding(name: str, folders: list[Written], root: Path | None) -> Finding:
    if root is not None and (fault := folder_fault(root)):
        return Finding(name, ok=False, found=fault, fix=f"create it, or correct {name}")
    refused = next((found for one in folders if (found := probe(one.folder, links=one.links))), None)
    if refused is not None:
        return Finding(name, ok=False, found=str(refused), fix="let this user write there")
    return Finding(name, ok=True, found=f"{root or folders[0].folder} can be written")
