"""A route without FastAPI's own reading and making of bodies."""

from collections.abc import Callable, Coroutine

from fastapi import Request, Response
from fastapi.routing import APIRoute


class PlainRoute(APIRoute):
    """A route whose function takes the request and returns the answer: nothing is parsed or made for it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[object, object, Response]]:
        """The function itself."""
        answer: Callable[[Request], Coroutine[object, object, Response]] = self.endpoint
        return answer
