"""What may come back from a child, and how messages are cut out of a stream."""

import os
import socket
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domain.errors import NeverRetry
from domain.faults import Fault
from service.processes.wire import NotPlain, frame, pack, receive_frame, unpack_plain


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"a": [1, 2.5, "x", b"y", (True,)], 2: {3}},
        frozenset({1}),
        datetime(2026, 1, 2, tzinfo=UTC),
        Decimal("1.5"),
        Path("a/b"),
        UUID(int=7),
        Fault(code="bad_version", field="split_version", message="no"),
    ],
)
def test_plain_values_and_the_domains_come_back_as_they_were(value: Any) -> None:
    assert unpack_plain(pack(value)) == value


def test_an_error_of_the_domain_comes_back_with_its_facts() -> None:
    error = unpack_plain(pack(NeverRetry("bad_rows", "three", rows=3)))
    assert (type(error), error.reason, error.message, error.facts) == (
        NeverRetry,
        "bad_rows",
        "three",
        {"rows": 3},
    )


@pytest.mark.parametrize("value", [Fraction(1, 3), os.system, eval, ValueError("x")])
def test_anything_else_is_refused_by_its_name(value: Any) -> None:
    with pytest.raises(NotPlain, match="neither a plain value"):
        unpack_plain(pack(value))


def test_what_a_module_of_the_domain_has_imported_is_not_the_domains() -> None:
    with pytest.raises(NotPlain, match="neither a plain value"):
        unpack_plain(b"\x80\x04\x8c\rdomain.errors\x94\x8c\x10Mapping.__init__\x94\x93\x94.")


def test_broken_bytes_are_refused() -> None:
    with pytest.raises(NotPlain, match="unreadable"):
        unpack_plain(b"\x80\x04broken")


def test_a_message_that_arrives_in_pieces_is_put_together_and_the_end_is_noticed() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        data = pack("x" * 100_000)
        for start in range(0, len(frame(data)), 40_000):
            theirs.sendall(frame(data)[start : start + 40_000])
        theirs.shutdown(socket.SHUT_WR)
        assert receive_frame(ours) == data
        assert receive_frame(ours) is None


def test_a_message_cut_off_is_the_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(frame(b"whole")[:10])
        theirs.shutdown(socket.SHUT_WR)
        assert receive_frame(ours) is None
