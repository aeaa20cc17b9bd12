"""A training was requested: who is it, is it stored once, is nothing lost."""

import pytest

from domain.errors import NeverRetry, TryLater
from domain.faults import Fault
from domain.ports.run_store import Added
from domain.record import Record
from domain.request import ReceivedRequest, read_payload
from handlers.envelope import FIRST_COORDINATES
from handlers.handled import Handled
from handlers.training_requested import AnotherModels, on_training_requested, read_request
from tests.fakes.inbox_store import FakeInboxStore
from tests.kit.records import binary, record, structured

MODEL = "price"


def read(asked: Record) -> ReceivedRequest:
    request = read_request(asked, model_name=MODEL, max_bytes=10_000)
    assert isinstance(request, ReceivedRequest)
    return request


class Inbox:
    """The handler with fakes."""

    def __init__(self, store: FakeInboxStore | None = None) -> None:
        self.store = store or FakeInboxStore()
        self.reasons: list[str] = []

    async def take(self, asked: Record) -> Handled:
        handled = await on_training_requested(asked, store=self.store, model_name=MODEL, max_bytes=10_000)
        self.reasons += [handled.why.reason] if handled.why else []
        return handled


class TestIdentity:
    def test_source_and_id_are_the_identity_of_a_cloud_event(self) -> None:
        assert read(binary()).identity == "event:/gateway 42"
        assert read(structured()).identity == "event:/gateway 42"

    def test_a_request_id_in_the_payload_gives_way_to_the_event_and_goes_before_the_place(self) -> None:
        assert read(binary({"request_id": "r"})).identity == "event:/gateway 42"
        assert read(record(b'{"request_id": "r"}')).identity == "request:r"

    def test_two_plain_records_are_two_requests_and_one_redelivered_is_the_same(self) -> None:
        first, second = read(record(offset=1)), read(record(offset=2))
        assert first.identity != second.identity
        assert first.identity == read(record(offset=1)).identity
        assert first.identity == "record:training.requested/0/1@1700000000000"

    def test_a_requeued_record_keeps_the_identity_of_its_first_place(self) -> None:
        place = b"training.requested/2/5@1690000000000"
        assert read(record(headers=((FIRST_COORDINATES, place),))).identity == f"record:{place.decode()}"

    @pytest.mark.parametrize(
        "request_id", [b"17", b'""', b"null", b'["x"]', b'"a\\nb"', b'"' + b"x" * 300 + b'"']
    )
    def test_a_request_id_that_cannot_serve_is_no_identity(self, request_id: bytes) -> None:
        assert read(record(b'{"request_id": ' + request_id + b"}")).identity.startswith("record:")

    def test_no_two_kinds_of_identity_can_meet(self) -> None:
        taken = read(record(b'{"request_id": "training.requested/0/7@1700000000000"}')).identity
        assert taken != read(record()).identity


class TestCorrelation:
    def test_a_correlation_id_follows(self) -> None:
        request = read(binary(correlationid="order-7"))
        assert (request.correlation_id, request.causation_id) == ("order-7", "42")

    def test_without_one_it_is_derived_the_same_each_time(self) -> None:
        assert read(binary()).correlation_id == read(structured()).correlation_id
        assert read(binary()).correlation_id != read(binary(id="43")).correlation_id


class TestHandling:
    async def test_a_new_request_is_stored_once_however_often_it_comes(self) -> None:
        inbox = Inbox()
        outcomes = [(await inbox.take(binary({"reason": "x"}))).outcome for _ in range(3)]
        assert outcomes == ["stored", "known", "known"]
        assert len(inbox.store.rows) == 1

    async def test_the_same_identity_with_another_payload_is_set_aside_and_the_first_stands(self) -> None:
        inbox = Inbox()
        await inbox.take(binary({"split_version": 1}))
        handled = await inbox.take(binary({"split_version": 2}))
        assert handled.outcome == "dead_lettered"
        assert inbox.reasons == ["id_conflict"]
        assert inbox.store.rows["event:/gateway 42"].payload == {"split_version": 1}

    async def test_another_models_request_is_neither_stored_nor_set_aside(self) -> None:
        inbox = Inbox()
        assert (await inbox.take(binary({"model_name": "rent"}))).outcome == "skipped"
        assert not inbox.store.rows
        assert not inbox.reasons

    async def test_this_models_own_name_or_none_is_ours(self) -> None:
        inbox = Inbox()
        for number, name in enumerate((MODEL, None, "", 7)):
            await inbox.take(binary({"model_name": name}, id=str(number)))
        assert len(inbox.store.rows) == 4

    async def test_what_cannot_be_read_is_set_aside(self) -> None:
        inbox = Inbox()
        handled = await inbox.take(record(b"\xff{", (("x", b"y"),), key=b"k"))
        assert (handled.outcome, handled.facts["reason"]) == ("dead_lettered", "not_utf8")
        assert inbox.reasons == ["not_utf8"]

    async def test_while_the_store_is_away_the_record_has_to_wait(self) -> None:
        inbox = Inbox()
        inbox.store.away = True
        with pytest.raises(TryLater):
            await inbox.take(binary())

    async def test_what_the_store_can_never_take_is_set_aside_with_its_reason(self) -> None:
        class Refusing(FakeInboxStore):
            async def add(self, request: ReceivedRequest) -> Added:
                raise NeverRetry("not_storable", f"no place for {request.identity}")

        inbox = Inbox(Refusing())
        assert (await inbox.take(binary())).outcome == "dead_lettered"
        assert inbox.reasons == ["not_storable"]

    async def test_what_the_store_refuses_for_a_reason_of_its_own_waits_and_is_not_set_aside(self) -> None:
        class Refusing(FakeInboxStore):
            async def add(self, request: ReceivedRequest) -> Added:
                raise NeverRetry("postgres_refused", f"a pooler's fault with {request.identity}")

        inbox = Inbox(Refusing())
        with pytest.raises(NeverRetry):
            await inbox.take(binary())
        assert inbox.reasons == []

    async def test_a_defect_in_reading_is_no_fault_of_the_record(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("handlers.training_requested.open_record", broken)
        inbox = Inbox()
        with pytest.raises(ZeroDivisionError):
            await inbox.take(binary())
        assert inbox.reasons == []


@pytest.mark.parametrize(
    "version",
    [
        "../x",
        "/etc/passwd",
        "%2e%2e",
        "3\x00",
        "\x00",
        "-rf",
        "9" * 10_000,
        "\u202e3",
        "\u0663",
        " 3",
        "3.0",
        "0",
        "03",
        "+3",
        "1_0",
        "0x10",
        "0b11",
        "1e1",
        "\u00b3",
        "\uff13",
        "3 ",
        "3\n",
        "",
        "-1",
    ],
)
def test_a_version_that_is_none_is_stored_as_it_came_and_found_when_the_run_is_resolved(version: str) -> None:
    """It could be parsed, so a person is told what is allowed; nothing on the way took it for a path."""
    request = read_request(binary({"split_version": version}), model_name=MODEL, max_bytes=100_000)
    assert isinstance(request, ReceivedRequest)
    faults = read_payload(request.payload)
    assert isinstance(faults, list)
    assert [fault.code for fault in faults] == ["bad_version"]


def test_several_faults_are_found_at_once() -> None:
    faults = read_payload(read(binary({"split_version": "x", "spilt": 3})).payload)
    assert isinstance(faults, list)
    assert {fault.code for fault in faults if isinstance(fault, Fault)} == {"bad_version", "unknown_field"}


def test_another_models_name_is_told() -> None:
    other = read_request(binary({"model_name": "rent"}), model_name=MODEL, max_bytes=10_000)
    assert other == AnotherModels(model_name="rent")
