"""The sha256 manifest of a run's files: what DVC's md5 hashes are checked against."""

import hashlib
from collections.abc import Mapping

from domain.datasets import DatasetFile, SplitParts
from domain.values import Sha256


def named_files(parts: SplitParts) -> dict[str, DatasetFile]:
    """Every file of a split by part name: master, train, reference, then the optional tests."""
    files = {"master": parts.master, "train": parts.train, "reference": parts.reference}
    return files | dict(sorted(parts.optional_tests.items()))


def manifest_of(parts: SplitParts) -> dict[str, Sha256]:
    """The digest of each part by its name."""
    return {name: file.sha256 for name, file in named_files(parts).items()}


def seal(manifest: Mapping[str, Sha256]) -> Sha256:
    """One digest for the whole manifest: the sha256 of its lines `<sha256>  <name>`, sorted by name.

    It is what `sha256sum` would print for the files, so anyone can take it again.
    """
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(manifest.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
