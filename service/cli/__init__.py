"""The command line: `laurel`."""

import gc
import logging
import os
import sys

_INTERRUPTED = 130
_SELDOM = 300_000  # new things between two looks for what may be freed; imports make a million that stay


def main() -> None:
    """Run the command line; whatever goes wrong ends in a sentence, and never in a traceback."""
    gc.set_threshold(_SELDOM)
    # It looks through every installed package for plugins: a tenth of a second of each command.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if not _wants_all():
        logging.lastResort = None  # a library's grumbling: what went wrong is told in a sentence of ours
    try:
        # Here, not above: Ctrl-C and a broken installation count from here.
        from service.cli.commands import app
        from service.cli.completion import PROGRAM, VARIABLE, prepare_answers
        from service.cli.screen import spell_out_unreadable

        spell_out_unreadable()
        if VARIABLE in os.environ:
            prepare_answers()
        app(prog_name=PROGRAM)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except Exception as error:
        if _wants_all():
            raise
        sys.stderr.write(f"laurel: {_in_a_line(error)}; LAUREL_DEBUG=1 shows where\n")
        sys.exit(1)
    finally:
        gc.freeze()  # it all goes with the process: a last look through it would be a fifth of the work


def _wants_all() -> bool:
    return os.environ.get("LAUREL_DEBUG") == "1"


def _in_a_line(error: Exception) -> str:
    """Name the error, and quote it if every secret can be taken out."""
    kind = f"unexpected {type(error).__name__}"
    try:
        from domain.wording import visible
        from service.cli.console import masked
        from service.cli.reading import settings_or_none

        settings = settings_or_none()
        lines = masked(str(error), settings).split("\n") if settings else [""]
    except Exception:  # noqa: BLE001 - what cannot be masked is not shown
        return kind
    return f"{kind}: {visible(lines[0])}" if lines[0] else kind
