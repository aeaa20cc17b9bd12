"""A route without FastAPI's own reading and making of bodies."""

from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute


class PlainRoute(APIRoute):
    """A route whose function takes the request and returns the answer: nothing is parsed or made for it."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """The function itself."""
        return self.endpoint
