"""Repeated hashes are found, in memory or spilled; what is spilled leaves nothing behind."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import TryLater
from service.adapters.files.atomic import AtomicFiles
from service.adapters.files.scratch import Scratch
from service.adapters.polars import repeats
from service.adapters.polars.repeats import Repeats
from tests.harm.faulty_operations import EIO, ENOSPC, Fault, NthFault


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where scratch files are made."""
    return tmp_path_factory.mktemp("scratch")


hashes = st.lists(
    st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**63, 2**64 - 1])), max_size=30
)


@given(batches=st.lists(hashes, max_size=5), spilled=st.booleans(), held=st.integers(1, 40))
def test_every_hash_that_came_twice_is_found_once(
    folder: Path,
    batches: list[list[int]],
    spilled: bool,  # noqa: FBT001 - a case
    held: int,
) -> None:
    every = [one for batch in batches for one in batch]
    with pytest.MonkeyPatch.context() as patch, Scratch(folder) as scratch:
        patch.setattr(repeats, "HELD", held)
        found = Repeats(len(every), scratch if spilled else None)
        for batch in batches:
            found.add(pl.Series(batch, dtype=pl.UInt64))
        assert sorted(found.found()) == sorted(one for one, count in Counter(every).items() if count > 1)


def test_a_scratch_file_has_no_name_while_it_is_written(folder: Path) -> None:
    """So a kill -9 in the middle of a spill leaves nothing: the kernel gives the room back."""
    with Scratch(folder) as scratch:
        assert scratch.read(scratch.write(memoryview(b"hashes")), 6) == b"hashes"
        assert list(folder.iterdir()) == []


def test_what_died_before_its_name_was_removed_goes_with_the_next(tmp_path: Path) -> None:
    (tmp_path / ".scratch.0123.laurel-tmp").touch()
    with Scratch(tmp_path) as scratch:
        scratch.write(memoryview(b"hashes"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("fault", "reason"), [(ENOSPC, "disk_full"), (EIO, "file_error")])
@pytest.mark.parametrize("operation", ["write", "unlink"])
def test_a_disk_that_fails_is_waited_for(tmp_path: Path, operation: str, fault: Fault, reason: str) -> None:
    broken = NthFault(operation, 1, fault)
    with Scratch(tmp_path, AtomicFiles(broken.operations)) as scratch, pytest.raises(TryLater) as caught:
        scratch.write(memoryview(b"hashes"))
    assert (caught.value.reason, caught.value.waiting_on) == (reason, "disk")
    assert list(tmp_path.iterdir()) == []
