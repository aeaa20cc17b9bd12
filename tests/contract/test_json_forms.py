"""A run, a generation and a replica have one form: its schemas in `docs/json/` are what the code says."""

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are a package more

from domain.convergence import Replica, ReplicaForm, Served
from domain.events import Event, InferenceDiverged, InferenceReloaded
from tests.tools.event_descriptions import fields_of
from tests.tools.event_examples import EVENTS
from tests.tools.event_schemas import rendered
from tests.tools.json_forms import FOLDER, schemas


def test_the_folder_holds_exactly_what_the_code_says() -> None:
    """After a change on purpose: `python -m tests.tools.json_forms`."""
    kept = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert kept == {name: rendered(schema) for name, schema in schemas().items()}


def test_every_field_says_what_it_means() -> None:
    for schema in schemas().values():
        Draft202012Validator.check_schema(schema)
        assert all(field["description"].strip() for _, _, field in fields_of(schema))


def _of(kind: type[Event]) -> dict[str, object]:
    return next(event.model_dump(mode="json") for event in EVENTS if type(event) is kind)


@pytest.mark.parametrize("kind", [InferenceReloaded, InferenceDiverged])
def test_an_event_of_a_replica_holds_its_form(kind: type[Event]) -> None:
    Draft202012Validator(schemas()["replica"]).validate(_of(kind))


def test_an_event_says_a_thing_alike_under_its_older_and_its_common_name() -> None:
    told = _of(InferenceReloaded)
    assert (told["served_version"], told["served_generation"]) == (
        told["version"],
        told["confirmed_generation"],
    )
    for event in EVENTS:
        told = event.model_dump(mode="json")
        assert told.get("triple") == told.get("versions")


def test_a_replica_that_serves_nothing_has_the_form_as_well() -> None:
    replica, served = Replica(url="http://a", address="10.0.0.1"), Served(version=3, generation=2, run_id="r")
    for look in (None, served):
        Draft202012Validator(schemas()["replica"]).validate(ReplicaForm.of(replica, look).model_dump())
