"""Other services over HTTP."""

import sys
from importlib import import_module

# httpx imports its own command line where click and rich are there: more than all the rest of it.
_COMMAND_LINE = "httpx._main"
if "httpx" not in sys.modules:
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment] # it is how an import is refused
    try:
        import_module("httpx")
    finally:
        del sys.modules[_COMMAND_LINE]
