"""The events' schemas in `docs/events/` are what the code says, and what it sends and takes."""

import json

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are a package more

from domain.events import OUTGOING, Event, Generation
from domain.request import TrainingRequest, read_payload
from tests.tools.event_descriptions import DESCRIPTIONS, fields_of
from tests.tools.event_examples import EVENTS
from tests.tools.event_schemas import FOLDER, rendered, schemas


def test_the_folder_holds_exactly_what_the_code_says() -> None:
    """After a change on purpose: `python -m tests.tools.event_schemas`."""
    kept = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert kept == {name: rendered(schema) for name, schema in schemas().items()}


def test_there_is_an_example_of_every_event() -> None:
    assert list(dict.fromkeys(type(event) for event in EVENTS)) == list(OUTGOING)


def test_every_schema_has_a_name_of_its_own_and_an_example_that_it_accepts() -> None:
    files = schemas().values()
    assert len({schema["$id"] for schema in files}) == len(files)
    for schema in files:
        assert schema["examples"]
        for example in schema["examples"]:
            Draft202012Validator(schema).validate(example)


def test_every_field_says_what_it_means_and_no_description_is_left_over() -> None:
    fields = [field for schema in schemas().values() for field in fields_of(schema)]
    assert all(field["description"].strip() for _, _, field in fields)
    used = {name for _, name, _ in fields} | {f"{part}.{name}" for part, name, _ in fields}
    kinds: tuple[type[Event], ...] = (Generation, *OUTGOING)
    used |= {f"{kind.__name__}.{name}" for kind in kinds for name in kind.model_fields}
    assert DESCRIPTIONS.keys() <= used | {"metric"}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event.topic))
def test_what_is_sent_is_valid_and_may_grow(event: Event) -> None:
    schema = schemas()[f"{event.topic}.json"]
    Draft202012Validator.check_schema(schema)
    content = json.loads(event.model_dump_json())
    Draft202012Validator(schema).validate(content)
    Draft202012Validator(schema).validate(content | {"added_later": 1})
    assert schema["title"] == event.wire_type


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event.topic))
def test_a_reader_can_rely_on_every_field(event: Event) -> None:
    validator = Draft202012Validator(schemas()[f"{event.topic}.json"])
    content = json.loads(event.model_dump_json())
    for name in content:
        assert not validator.is_valid({key: value for key, value in content.items() if key != name})


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event.topic))
def test_what_was_sent_is_read_back_as_it_was(event: Event) -> None:
    assert type(event).model_validate_json(event.model_dump_json()) == event


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"split_version": 3, "feature_version": "12", "model_version": None},
        {"model_config_version": "1000000"},
        {"model_name": "price", "requested_by": "me", "reason": "why", "request_id": "r"},
        {"split_version": 0},
        {"split_version": -1},
        {"split_version": 1_000_001},
        {"split_version": "../x"},
        {"split_version": "0"},
        {"split_version": "01"},
        {"split_version": "1_0"},
        {"split_version": 1.5},
        {"split_version": True},
        {"split_version": []},
        {"spilt_version": 1},
        {"reason": "x" * 2001},
        {"request_id": 7},
    ],
)
def test_the_schema_of_a_request_accepts_what_the_code_accepts(payload: dict[str, object]) -> None:
    accepted = isinstance(read_payload(payload), TrainingRequest)
    assert Draft202012Validator(schemas()["training.requested.json"]).is_valid(payload) == accepted
