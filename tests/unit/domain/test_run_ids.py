"""Which run a text means: of all its ids, whole before begun, its own before shared ones."""

from domain.run import known_by, meant_by
from tests.unit.domain.runs import a_run

FIRST = a_run(run_id="aaaa-1", causation_id="nightly", correlation_id="pipeline-7")
RETRY = a_run(run_id="bbbb-2", causation_id="nightly-2", correlation_id="nightly", mlflow_run_id="cafe")
OTHER = a_run(run_id="aabb-3", causation_id=None, correlation_id="zz", identity="record:a/0/1@2")
ALL = (OTHER, RETRY, FIRST)


def test_a_whole_id_comes_before_a_beginning_and_an_own_id_before_a_shared_one() -> None:
    meant = {text: [run.run_id for run in meant_by(text, ALL)] for text in (
        "aaaa-1", "aaaa", "nightly", "nightly-", "cafe", "pipeline-7", "record:a/0/1@2", "aa", "x", "",
    )}  # fmt: skip
    assert meant == {
        "aaaa-1": ["aaaa-1"],
        "aaaa": ["aaaa-1"],
        "nightly": ["aaaa-1"],
        "nightly-": ["bbbb-2"],
        "cafe": ["bbbb-2"],
        "pipeline-7": ["aaaa-1"],
        "record:a/0/1@2": ["aabb-3"],
        "aa": ["aabb-3", "aaaa-1"],
        "x": [],
        "": ["aabb-3", "bbbb-2", "aaaa-1"],
    }


def test_a_list_holds_every_run_that_shares_an_id() -> None:
    assert known_by("nightly", ALL) == [RETRY, FIRST]
    assert known_by("night", ALL) == [RETRY, FIRST]
    assert known_by("pipe", ALL) == [FIRST]
    assert known_by("x", ALL) == []
