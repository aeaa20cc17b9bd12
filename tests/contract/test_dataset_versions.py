"""What every DatasetVersions promises."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from domain.datasets import DatasetHashes, manifest_of
from domain.errors import NeverRetry, TryLater
from domain.ports.dataset_files import DatasetVersions
from service.adapters.files.data_layout import DataLayout
from service.lifecycle.dataset_files import ChildDatasetVersions
from service.lifecycle.job_client import JobClient
from tests.fakes.children import InProcessChildren
from tests.fakes.dataset_versions import FakeDatasetVersions
from tests.worlds.split_on_disk import CONTENT, split_on_disk

Outage = Callable[[], AbstractContextManager[None]]  # the remote takes nothing meanwhile


class DatasetVersionsContract:
    async def test_the_same_bytes_have_the_same_hashes_whoever_asks(
        self, versions: DatasetVersions, tmp_path: Path
    ) -> None:
        first = await versions.version("a", split_on_disk(tmp_path, "a"))
        again = await versions.version("a", split_on_disk(tmp_path, "a"))
        other = await versions.version("b", split_on_disk(tmp_path, "b"))
        assert _told(first) == _told(again) == _told(other)

    async def test_the_hashes_are_of_the_folders_that_users_know_and_of_the_master_file(
        self, versions: DatasetVersions, tmp_path: Path
    ) -> None:
        """The figures are what `dvc add splits/v3 reference/tests/v3 processed/master.parquet` wrote."""
        hashes = await versions.version("a", split_on_disk(tmp_path, "a"))
        assert hashes.dvc_split_hash == "c6c4d4c8bb5fc8f5addc2ac39c5609b6.dir"
        assert hashes.dvc_reference_hash == "664373b78c5f2efedcfde8c7320b9a7b.dir"
        assert hashes.dvc_master_hash == hashes.files["master"] == "a0911b6007f450df07abaea3ef8bb72e"

    async def test_every_part_has_its_hash_and_its_digest(
        self, versions: DatasetVersions, tmp_path: Path
    ) -> None:
        parts = split_on_disk(tmp_path, "a")
        hashes = await versions.version("a", parts)
        assert hashes.files.keys() == hashes.manifest.keys() == CONTENT.keys()
        assert hashes.manifest == manifest_of(parts)

    async def test_one_changed_byte_changes_the_hash_of_its_part_and_folder_alone(
        self, versions: DatasetVersions, tmp_path: Path
    ) -> None:
        before = await versions.version("a", split_on_disk(tmp_path, "a"))
        changed = {**CONTENT, "train": b"R" + CONTENT["train"][1:]}
        after = await versions.version("b", split_on_disk(tmp_path, "b", changed))
        assert {name for name in CONTENT if before.files[name] != after.files[name]} == {"train"}
        assert before.dvc_split_hash != after.dvc_split_hash
        assert before.dvc_reference_hash == after.dvc_reference_hash

    async def test_a_part_that_is_not_what_was_split_is_refused(
        self, versions: DatasetVersions, tmp_path: Path
    ) -> None:
        parts = split_on_disk(tmp_path, "a")
        Path(parts.train.path).write_bytes(b"other rows")  # noqa: ASYNC240 - a test's own small file
        with pytest.raises(NeverRetry) as refusal:
            await versions.version("a", parts)
        assert refusal.value.reason == "split_digest_mismatch"

    async def test_a_remote_that_takes_nothing_is_waited_for(
        self, versions: DatasetVersions, outage: Outage, tmp_path: Path
    ) -> None:
        parts = split_on_disk(tmp_path, "a")
        with outage(), pytest.raises(TryLater) as refusal:
            await versions.version("a", parts)
        assert (refusal.value.reason, refusal.value.waiting_on) == ("dvc_remote_unavailable", "dvc_remote")
        assert (await versions.version("a", parts)).files.keys() == CONTENT.keys()


class TestFake(DatasetVersionsContract):
    @pytest.fixture
    def versions(self) -> FakeDatasetVersions:
        return FakeDatasetVersions()

    @pytest.fixture
    def outage(self, versions: FakeDatasetVersions) -> Outage:
        @contextmanager
        def away() -> Iterator[None]:
            versions.away = True
            yield
            versions.away = False

        return away


class TestDvc(DatasetVersionsContract):
    @pytest.fixture
    def versions(self, tmp_path: Path) -> ChildDatasetVersions:
        jobs = JobClient(InProcessChildren(), timeout_seconds=60, memory_bytes=1 << 30)
        remote = tmp_path / "mount" / "remote"
        return ChildDatasetVersions(
            jobs, DataLayout(tmp_path), cache_folder=str(tmp_path / "cache"), remote_url=str(remote)
        )

    @pytest.fixture
    def outage(self, tmp_path: Path) -> Outage:
        @contextmanager
        def a_file_in_its_place() -> Iterator[None]:
            (tmp_path / "mount").write_text("not a folder")
            yield
            (tmp_path / "mount").unlink()

        return a_file_in_its_place


def _told(hashes: DatasetHashes) -> DatasetHashes:
    """All but how long it took."""
    return hashes.model_copy(update={"seconds": 0.0})
