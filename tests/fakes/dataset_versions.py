"""The port `DatasetVersions` in memory."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from domain.datasets import DatasetFile, DatasetHashes, SplitParts, manifest_of, named_files
from domain.errors import NeverRetry, TryLater


class FakeDatasetVersions:
    """Hashes the real bytes; `remote` holds what was pushed. While `away`, the remote takes nothing."""

    def __init__(self) -> None:
        self.remote: dict[str, bytes] = {}
        self.away = False

    async def version(self, run_id: str, parts: SplitParts) -> DatasetHashes:  # noqa: ARG002 - the port's
        files = {name: _content(file) for name, file in named_files(parts).items()}
        hashes = {name: _md5(content) for name, content in files.items()}
        if self.away:
            raise TryLater(
                "dvc_remote_unavailable", "the remote of the fake is away", waiting_on="dvc_remote"
            )
        self.remote |= {hashes[name]: content for name, content in files.items()}
        tests = {f"optional_tests/{name}.parquet": hashes[name] for name in parts.optional_tests}
        return DatasetHashes(
            dvc_master_hash=hashes["master"],
            dvc_split_hash=self._folder({"train.parquet": hashes["train"], **tests}),
            dvc_reference_hash=self._folder({Path(parts.reference.path).name: hashes["reference"]}),
            files=hashes,
            manifest=manifest_of(parts),
            seconds=0.0,
        )

    def _folder(self, entries: Mapping[str, str]) -> str:
        listed = [{"md5": md5, "relpath": path} for path, md5 in sorted(entries.items())]
        content = json.dumps(listed, sort_keys=True).encode()
        oid = f"{_md5(content)}.dir"
        self.remote[oid] = content
        return oid


def _content(file: DatasetFile) -> bytes:
    content = Path(file.path).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise NeverRetry("split_digest_mismatch", f"{file.path} is not what was split", found=found)
    return content


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
