"""The id under which a call may be repeated: its header, and what of it stands in the body."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from fastapi import Header, Request

from domain.faults import Fault
from service.gateway.refusals import unusable

KEY: Final = "Idempotency-Key"
# For the document; it is read from the headers themselves, where it may stand twice.
Key = Annotated[str | None, Header(alias=KEY, description="The id of the request.")]


def request_id_in(keys: Sequence[str], payload: Mapping[str, object]) -> str | None:
    """The id of a request: its header's, in quotes or without, or that in its body. Raises Problem."""
    named = {_unquoted(key) for key in keys}
    within = payload.get("request_id")
    if isinstance(within, str):
        named.add(within)
    if len(named) > 1 or (named and within is not None and not isinstance(within, str)):
        message = f"{KEY} and request_id disagree; give one, or the same twice"
        raise unusable([Fault(code="bad_id", field="request_id", message=message)])
    return next(iter(named), None)


def key_of(request: Request) -> str | None:
    """The id of a call whose body has no place for one. Raises Problem."""
    return request_id_in(request.headers.getlist(KEY), {})


def _unquoted(key: str) -> str:
    return key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key
