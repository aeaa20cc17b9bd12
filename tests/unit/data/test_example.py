"""The example's two deliveries of the Ames sales: the story that the demo tells."""

import asyncio
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from threadpoolctl import threadpool_limits

from domain.datasets import DatasetLimits, SplitParts
from domain.metrics import rmsle
from domain.resolved_config import ResolvedConfig
from domain.values import AskedVersions
from service.adapters.files.config_families import FileConfigFamilies
from service.adapters.sklearn.fitting import fit, predict
from service.lifecycle.steps.jobs import SplitJob
from service.lifecycle.steps.split_job import run_split

EXAMPLE = Path(__file__).parents[3] / "config" / "example"
SEED = 7


@cache
def resolved(model_version: int) -> ResolvedConfig:
    found = asyncio.run(FileConfigFamilies(EXAMPLE).resolve(AskedVersions(model_version=model_version)))
    assert isinstance(found, ResolvedConfig), found
    return found


def deliver(folder: Path, last_year: int) -> SplitParts:
    """Write the sales up to `last_year` as the master, in the file's order, and split it."""
    sales, config = pq.read_table(EXAMPLE / "data" / "ames.parquet"), resolved(1)
    folder.mkdir()
    pq.write_table(sales.filter(pc.field("Year_Sold") <= last_year), folder / "master.parquet")
    return run_split(
        SplitJob(
            master=folder / "master.parquet",
            run_folder=folder / "run",
            reference=folder / "reference.parquet",
            contract=config.contract,
            rules=config.split,
            features=config.features,
            expected_reference=None,
            limits=DatasetLimits(),
        )
    )


@pytest.fixture(scope="module")
def deliveries(tmp_path_factory: pytest.TempPathFactory) -> tuple[SplitParts, SplitParts]:
    """The first delivery, and all sales."""
    folder = tmp_path_factory.mktemp("ames")
    return deliver(folder / "first", 2008), deliver(folder / "all", 2010)


def test_the_reference_is_the_same_whichever_delivery_it_is_made_from(
    deliveries: tuple[SplitParts, SplitParts],
) -> None:
    """And the figures are those that the example's README names."""
    first, everything = deliveries
    assert first.reference.sha256 == everything.reference.sha256
    rows = [
        (
            part.master.rows,
            part.train.rows,
            part.reference.rows,
            part.optional_tests["recent_1_Year_Sold"].rows,
        )
        for part in deliveries
    ]
    assert rows == [(1941, 1448, 493, 159), (2930, 2191, 493, 79)]
    assert first.warnings == everything.warnings == ()


def test_the_story_holds_with_a_margin(deliveries: tuple[SplitParts, SplitParts]) -> None:
    """The default is promoted, the weak model loses clearly, the better one wins on the grown master."""
    first, everything = deliveries
    default, weak, better = score(1, first), score(2, first), score(3, everything)
    assert weak > 1.4 * default
    assert better < 0.92 * default


def score(model_version: int, parts: SplitParts) -> float:
    config = resolved(model_version)
    train, reference = pd.read_parquet(parts.train.path), pd.read_parquet(parts.reference.path)
    target = config.contract.target
    with threadpool_limits(1):  # as in the product: on a busy machine more threads wait for one another
        fitted = fit(
            config.features, config.contract, config.model.model, train, _numbers(train[target]), SEED
        )
    return rmsle(_numbers(reference[target]), predict(fitted.pipeline, reference))


def _numbers(column: "pd.Series[int]") -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(column, dtype=np.float64)
