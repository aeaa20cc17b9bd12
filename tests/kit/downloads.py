"""What the tests need from the network, fetched before the first of them: `python -m tests.kit.downloads`.

What is there already is not asked for. A failure is one sentence here, instead of an error in each test that
needs a server.
"""

import sys

from domain.errors import LaurelError
from service.local.servers import broker_runtime, jars
from service.local.servers.broker_runtime import cache_folder, one_at_a_time
from service.local.servers.errors import EmbeddedServerError
from service.local.servers.kafka import _train
from tests.integration.kafka.console_producer import FOLDER, LIST
from tests.others.older_serving import CannotFetch, older_python


def main() -> None:
    """Fetch it all, or say what cannot be had and end with 1."""
    try:
        broker_runtime.prepare(_train, _say)
        with one_at_a_time(cache_folder() / FOLDER):
            jars.ensure(jars.read_list(LIST), cache_folder() / FOLDER)
        older_python()
    except (EmbeddedServerError, LaurelError, CannotFetch) as error:
        sys.exit(f"the tests cannot begin: {error}")


def _say(what: str) -> None:
    print(what, flush=True)  # noqa: T201 - for whoever waits for it


if __name__ == "__main__":
    main()
