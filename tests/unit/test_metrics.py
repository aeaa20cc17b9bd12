"""The metrics' names are a closed vocabulary, and each can be used."""

from typing import get_args

import pytest

from service.runtime.metrics import CounterName, GaugeName, HistogramName, Metrics


def test_every_name_in_the_vocabulary_is_defined_and_rendered() -> None:
    text = Metrics().render().decode()
    for name in (*get_args(CounterName), *get_args(HistogramName), *get_args(GaugeName)):
        assert f"# HELP {name} " in text


def test_units_stand_in_the_names() -> None:
    assert all(name.endswith("_total") for name in get_args(CounterName))
    assert all(name.endswith("_seconds") for name in get_args(HistogramName))


def test_what_was_counted_observed_and_set_is_told() -> None:
    metrics = Metrics()
    metrics.count("laurel_dead_letters_total", reason="not_json")
    metrics.observe("laurel_step_duration_seconds", 0.3, step="train")
    metrics.set("laurel_outbox_age_seconds", 7)
    lines = metrics.render().decode().splitlines()
    assert 'laurel_dead_letters_total{reason="not_json"} 1.0' in lines
    assert 'laurel_step_duration_seconds_count{step="train"} 1.0' in lines
    assert "laurel_outbox_age_seconds 7.0" in lines


def test_two_processes_in_one_test_do_not_share_their_figures() -> None:
    first = Metrics()
    first.count("laurel_leases_lost_total")
    assert first.render() != Metrics().render()


def test_a_label_that_is_not_in_the_vocabulary_is_a_defect() -> None:
    with pytest.raises(ValueError, match="label"):
        Metrics().count("laurel_dead_letters_total", run_id="17")
