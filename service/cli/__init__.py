"""The command line: `laurel`."""

import logging
import os
import sys

_INTERRUPTED = 130


def main() -> None:
    """Run the command line; whatever goes wrong ends in a sentence, and never in a traceback."""
    if not _wants_all():
        logging.lastResort = None  # a library's grumbling: what went wrong is told in a sentence of ours
    try:
        from service.cli.commands import app  # noqa: PLC0415 - Ctrl-C and a broken installation count from here

        app()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except Exception as error:
        if _wants_all():
            raise
        sys.stderr.write(f"laurel: {_in_a_line(error)}; LAUREL_DEBUG=1 shows where\n")
        sys.exit(1)


def _wants_all() -> bool:
    return os.environ.get("LAUREL_DEBUG") == "1"


def _in_a_line(error: Exception) -> str:
    """Name the error, and quote it if every secret can be taken out."""
    kind = f"unexpected {type(error).__name__}"
    try:
        from service.cli.console import masked  # noqa: PLC0415 - seldom needed
        from service.cli.reading import settings_or_none  # noqa: PLC0415

        settings = settings_or_none()
        lines = masked(str(error), settings).split("\n") if settings else [""]
    except Exception:  # noqa: BLE001 - what cannot be masked is not shown
        return kind
    return f"{kind}: {lines[0]}" if lines[0] else kind
