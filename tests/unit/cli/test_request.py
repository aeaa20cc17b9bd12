"""`laurel request` refuses what the HTTP API would refuse, before anything is published."""

import pytest

from service.cli.console import Exit
from tests.unit.cli.calls import Laurel

VERSIONS = ("--split-version", "--feature-version", "--model-version")


@pytest.mark.parametrize("version", ["abc", "0", "-1", "07", "1_0", "1.0", "", " 1", "٣", "1000001", "0x1"])
def test_what_is_no_version_is_refused_by_its_name(
    laurel: Laurel, whole: dict[str, str], version: str
) -> None:
    """Nobody answers where Kafka should be: had it been asked, the exit code would be another."""
    for option in VERSIONS:
        ended = laurel("request", f"{option}={version}", **whole)
        assert ended.code == Exit.USAGE
        name = option.removeprefix("--").replace("-", "_")
        assert f"{name} is not a version; allowed: an integer from 1 to 1000000" in ended.err


def test_every_fault_is_named_at_once(laurel: Laurel, whole: dict[str, str]) -> None:
    asked = ("--model-version=x", "--split-version=y", "--request-id=a b", f"--reason={'r' * 2001}")
    ended = laurel("request", "--json", *asked, **whole)
    assert ended.code == Exit.USAGE
    assert ended.out == ""
    too_long = "reason must be a text of at most 2000 characters"
    for said in ("model_version is not", "split_version is not", "--request-id) cannot", too_long):
        assert said in " ".join(ended.err.split())


def test_a_reason_that_is_too_long_is_refused_by_cancel_too(laurel: Laurel, whole: dict[str, str]) -> None:
    """And not cut, as no other command does either."""
    ended = laurel("cancel", "any-run", f"--reason={'r' * 2001}", **whole)
    assert ended.code == Exit.USAGE
    assert "reason must be a text of at most 2000 characters" in ended.err


def test_a_text_that_is_no_unicode_is_a_sentence(laurel: Laurel, whole: dict[str, str]) -> None:
    ended = laurel("request", "--reason", "\udcff", **whole)
    assert ended.code == Exit.USAGE
    assert "reason: " in ended.err
    assert "Traceback" not in ended.err
