"""Each job names a function that takes and gives what the reference says, and naming it costs no library."""

import inspect
import subprocess
import sys
from typing import Any, Final, get_type_hints

import pytest

from domain.job_results import TrainedRows
from domain.metrics import Score
from service.lifecycle.job_client import JobClient
from service.lifecycle.steps import jobs as step_jobs
from service.models import jobs as model_jobs
from service.processes.task_names import JobRef, resolve
from service.processes.wire import NotPlain, pack, unpack_plain
from tests.fakes.children import InProcessChildren

REFS: Final[list[JobRef[Any, Any]]] = [
    value
    for module in (step_jobs, model_jobs)
    for value in vars(module).values()
    if isinstance(value, JobRef)
]
HEAVY: Final = {"dvc", "matplotlib", "mlflow", "numpy", "pandas", "polars", "pyarrow", "sklearn", "skops"}
STRANGE: Final = JobRef(f"{__name__}:strange", takes=int, gives=TrainedRows)


def strange(job: int) -> str:
    return f"{job} rows"


@pytest.mark.parametrize("ref", REFS, ids=lambda ref: ref.path)
def test_a_reference_says_what_its_function_says(ref: JobRef[Any, Any]) -> None:
    function = resolve(ref.path)
    hints = get_type_hints(function)
    assert list(inspect.signature(function).parameters) == ["job"]
    assert (hints["job"], hints["return"]) == (ref.takes, ref.gives)


def test_the_worker_names_jobs_without_their_libraries() -> None:
    modules = f"import {step_jobs.__name__}, {model_jobs.__name__}, sys; print(*sys.modules)"
    run = [sys.executable, "-c", modules]
    imported = subprocess.run(run, check=True, capture_output=True, text=True)  # noqa: S603 - our own code
    assert not HEAVY & set(imported.stdout.split())


async def test_an_answer_of_another_kind_is_a_failed_job() -> None:
    jobs = JobClient(InProcessChildren(), timeout_seconds=5, memory_bytes=1 << 30)
    with pytest.raises(Exception, match="the answer is no TrainedRows"):
        await jobs.run("side", STRANGE, 3)


def test_a_value_that_a_child_spoiled_is_not_read() -> None:
    """A harmful model has the child to itself: what no value may hold is refused on the way back too."""
    score = Score.model_construct(metrics={"mae": float("nan")}, dataset_digest="0" * 64, rows=1)
    with pytest.raises(NotPlain, match="ValidationError"):
        unpack_plain(pack(score))
