"""Version the datasets' bytes with DVC: tasks of a warm child."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from domain.datasets import SplitParts
from service.adapters.dvc.dataset_versions import Versioning, notes_in, version_parts
from service.adapters.dvc.remote import DvcRemote
from service.adapters.files.atomic import AtomicFiles


def version(
    *,
    run_id: str,  # noqa: ARG001 - each task of a run says whose it is; the workspace is the run's already
    parts: Mapping[str, Any],
    workspace_folder: str,
    cache_folder: str,
    remote_url: str,
    remote_options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Add and push every part; return `domain.datasets.DatasetHashes` as JSON. Safe to repeat.

    `parts` is the JSON of `SplitParts`. `workspace_folder` is the run's own and gets pointer files and a
    configuration for `dvc pull`; cache and remote (a folder or a URL) are shared by all runs. The split's
    hash is that of the folder `splits/vN`, the reference's that of `reference/tests/vN` (both end in
    `.dir`), the master's that of the file. No file of the user's is changed, linked or made read-only.
    """
    job = Versioning(
        parts=SplitParts.model_validate(parts),
        workspace=Path(workspace_folder),
        cache=Path(cache_folder),
        remote_url=remote_url,
        remote_options=dict(remote_options or {}),
    )
    return version_parts(job).model_dump(mode="json")


def look_at_remote(
    *,
    run_id: str,  # noqa: ARG001 - whose run asks
    cache_folder: str,
    remote_url: str,
    objects: Sequence[str],
    add_id: str | None = None,
) -> dict[str, Any]:
    """Ask a remote for its ids and for some objects; return `domain.datasets.RemoteSight` as JSON."""
    remote = DvcRemote(remote_url, notes_in(Path(cache_folder)))
    return remote.look(objects, add_id).model_dump(mode="json")


def warm_up() -> None:
    """Version three tiny files in a folder of their own, so that the first real run finds DVC awake."""
    with TemporaryDirectory(prefix="laurel-warm-up-") as name:
        folder = Path(name)
        version(
            run_id="warm-up",
            parts=_tiny_parts(folder),
            workspace_folder=str(folder / "workspace"),
            cache_folder=str(folder / "cache"),
            remote_url=str(folder / "remote"),
        )


def _tiny_parts(folder: Path) -> dict[str, Any]:
    paths = {
        "master": folder / "master.parquet",
        "train": folder / "split" / "train.parquet",
        "reference": folder / "reference" / "tests" / "v1" / "test_reference.parquet",
    }
    files = {}
    for name, path in paths.items():
        content = name.encode()
        AtomicFiles().replace(path, content)
        digest = hashlib.sha256(content).hexdigest()
        files[name] = {"path": str(path), "sha256": digest, "bytes": len(content), "rows": 1}
    rest = {"optional_tests": {}, "statistics": {}, "contract_report": {}, "warnings": [], "seconds": 0.0}
    return {**files, **rest, "reference_created": True}
