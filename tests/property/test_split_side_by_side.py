"""Laurel 0.1.0 and this version split the same masters side by side: the same rows, order, sides and types.

Its cost: a process of the released wheel, and a hundred small splits.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.data_contract import DataContract
from domain.datasets import DatasetFile, DatasetLimits, SplitParts
from domain.errors import NeverRetry
from domain.resolved_config import read_features
from domain.split_rules import SPLIT_RULES
from service.adapters.polars import repeats, row_groups
from service.lifecycle.steps.jobs import SplitJob
from service.lifecycle.steps.split_job import run_split
from tests.chaos.released import unpacked
from tests.property.test_split_strategies import masters, rules
from tests.straight.straight_split import straight_split
from tests.worlds.split_jobs import files_of, rows_of

CONTRACT = {
    "version": 1,
    "columns": {
        "key": {"type": "string"},
        "number": {"type": "int"},
        "place": {"type": "string"},
        "year": {"type": "int"},
        "carried": {"type": "int"},
    },
    "primary_key": ["carried"],
    "target": "number",
}
FEATURES = {"version": 1, "data_contract": 1, "tabular_features": {"year": {"type": "numeric"}}}
SINCE = {"locality_without_rows"}  # what 0.1.0 did not refuse yet

# Told one job a line, it tells a line of what came out, or why nothing did.
_OLD = """
import json, sys
from domain.errors import NeverRetry
from service.tasks.split import split
for line in sys.stdin:
    try:
        told = split(**json.loads(line))
    except NeverRetry as error:
        told = {"refused": error.reason}
    print(json.dumps(told), flush=True)
"""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator["subprocess.Popen[str]"]:
    """A process of the released wheel."""
    environment = unpacked(tmp_path_factory.mktemp("released"))
    command = [sys.executable, "-c", _OLD]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:  # noqa: S603 - our own code
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="module", autouse=True)
def _many_ranges_and_row_groups() -> Iterator[None]:
    """So that thirty rows spill hashes, and fill several row groups."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "HELD", 5)
        patch.setattr(row_groups, "ROW_GROUP", 7)
        yield


CARRIED = {
    "when": (pa.date32(), date(2020, 2, 29)),
    "at": (pa.timestamp("us", tz="UTC"), datetime(2020, 2, 29, 12, 30, tzinfo=UTC)),
    "hour": (pa.time64("us"), time(23, 59)),
    "money": (pa.decimal128(12, 2), Decimal("12.30")),
    "yes": (pa.bool_(), True),
    "bytes": (pa.binary(), b"\x00\xff"),
    "small": (pa.float32(), 0.1),
    "tiny": (pa.uint8(), 255),
    "list": (pa.list_(pa.int16()), [1, None]),
    "record": (pa.struct({"a": pa.string()}), {"a": "ä"}),
    "word": (pa.dictionary(pa.int32(), pa.string()), "w"),
}


@st.composite
def wide_masters(draw: st.DrawFn) -> pa.Table:
    """Columns that no rule asks for, of any type, with nulls anywhere or everywhere."""
    table = draw(masters(least=25))  # so that most have rows to train on and to judge by
    for name in draw(st.lists(st.sampled_from(sorted(CARRIED)), unique=True)):
        kind, value = CARRIED[name]
        there = draw(st.lists(st.booleans(), min_size=table.num_rows, max_size=table.num_rows))
        table = table.append_column(name, pa.array([value if one else None for one in there], kind))
    return table


files = st.fixed_dictionaries(
    {
        "compression": st.sampled_from(["none", "snappy", "gzip", "brotli", "lz4", "zstd"]),
        "row_group_size": st.integers(1, 40),
        "use_dictionary": st.booleans(),
        "data_page_version": st.sampled_from(["1.0", "2.0"]),
    }
)


@settings(max_examples=25, deadline=None)
@given(master=wide_masters(), content=rules, file=files, in_memory=st.booleans())
def test_old_and_new_splits_have_the_same_rows(
    old: "subprocess.Popen[str]",
    master: pa.Table,
    content: dict[str, Any],
    file: dict[str, Any],
    in_memory: bool,  # noqa: FBT001 - a case
) -> None:
    """Part by part; and a reference that 0.1.0 made is adopted as it is."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        pq.write_table(master, folder / "master.parquet", **file)
        before, after = _old(old, folder, content), _new(folder, "new", content, in_memory=in_memory)
        if isinstance(after, str) or isinstance(before, str):
            assert after == before or after in SINCE
            return
        expected = straight_split(master.to_pandas(), content)
        assert {part for part, places in expected.items() if places} == set(files_of(after))
        for part, one in files_of(after).items():
            other = files_of(before)[part]
            assert canonical(one) == canonical(other)
            assert pq.read_schema(one.path).equals(pq.read_schema(other.path))
            assert pq.read_table(one.path)["carried"].to_pylist() == expected[part]
            assert one.rows == other.rows == len(expected[part])
        _adopts(folder, content, before, after, in_memory=in_memory)


def _adopts(
    folder: Path, content: dict[str, Any], before: SplitParts, after: SplitParts, *, in_memory: bool
) -> None:
    """The reference of 0.1.0 keeps its digest; the other parts are those of the first split."""
    adopted = _new(folder, "old", content, in_memory=in_memory, expected=before.reference.sha256)
    assert not isinstance(adopted, str)
    assert not adopted.reference_created
    assert adopted.reference == before.reference
    assert adopted.train.sha256 == after.train.sha256
    assert adopted.fates == after.fates


def canonical(file: DatasetFile) -> str:
    """A digest of the rows with all their values, in their order; of NaN, each is like the other."""
    return hashlib.sha256(repr(rows_of(file.path)).encode()).hexdigest()


def _old(process: "subprocess.Popen[str]", folder: Path, content: Mapping[str, Any]) -> SplitParts | str:
    assert process.stdin is not None
    assert process.stdout is not None
    job = {
        "master": str(folder / "master.parquet"),
        "run_folder": str(folder / "old"),
        "reference_path": str(folder / "old" / "reference.parquet"),
        "contract": CONTRACT,
        "split": content,
        "features": FEATURES,
    }
    process.stdin.write(f"{json.dumps(job)}\n")
    process.stdin.flush()
    told = json.loads(process.stdout.readline())
    return str(told["refused"]) if "refused" in told else SplitParts.model_validate(told)


def _new(
    folder: Path, name: str, content: Mapping[str, Any], *, in_memory: bool, expected: str | None = None
) -> SplitParts | str:
    """Split beside the reference in the folder of this name."""
    try:
        return run_split(
            SplitJob(
                master=folder / "master.parquet",
                run_folder=folder / f"{name} run",
                reference=folder / name / "reference.parquet",
                contract=DataContract.model_validate(CONTRACT),
                rules=SPLIT_RULES.validate_python(content),
                features=read_features(FEATURES),
                expected_reference=expected,
                limits=DatasetLimits() if in_memory else DatasetLimits(in_memory_cells=0),
            )
        )
    except NeverRetry as error:
        return error.reason
