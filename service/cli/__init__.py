"""The command line: `laurel`."""

from service.cli.main import main

__all__ = ["main"]
