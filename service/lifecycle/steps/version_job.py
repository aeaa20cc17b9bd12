"""Version the datasets' bytes with DVC: tasks of a warm child."""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

from domain.datasets import DatasetFile, DatasetHashes, RemoteObservation, SplitParts
from service.adapters.dvc.dataset_versions import Versioning, notes_in, version_parts
from service.adapters.dvc.remote import DvcRemote
from service.adapters.files.atomic import AtomicFiles
from service.lifecycle.steps.jobs import RemoteLookJob, VersionJob


def version(job: VersionJob) -> DatasetHashes:
    """Add and push every part. Safe to repeat.

    The workspace gets pointer files and a configuration for `dvc pull`; cache and remote (a folder or a URL)
    are shared by all runs. The split's hash is that of the folder `splits/vN`, the reference's that of
    `reference/tests/vN` (both end in `.dir`), the master's that of the file. No file of the user's is
    changed, linked or made read-only.
    """
    return version_parts(
        Versioning(
            parts=job.parts,
            workspace=job.workspace,
            cache=job.cache,
            remote_url=job.remote_url,
            remote_options=dict(job.remote_options),
        )
    )


def look_at_remote(job: RemoteLookJob) -> RemoteObservation:
    """Ask a remote for its ids and for some objects."""
    remote = DvcRemote(job.remote_url, notes_in(job.cache))
    return remote.look(job.objects, job.add_id)


def warm_up() -> None:
    """Version three tiny files in a folder of their own, so that the first real run finds DVC awake."""
    with TemporaryDirectory(prefix="laurel-warm-up-") as name:
        folder = Path(name)
        version(
            VersionJob(
                parts=_tiny_parts(folder),
                workspace=folder / "workspace",
                cache=folder / "cache",
                remote_url=str(folder / "remote"),
            )
        )


def _tiny_parts(folder: Path) -> SplitParts:
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
        files[name] = DatasetFile(path=str(path), sha256=digest, bytes=len(content), rows=1)
    return SplitParts(
        **files,
        optional_tests={},
        reference_created=True,
        warnings=(),
        statistics={},
        contract_report={},
        seconds=0.0,
    )
