"""SQLAlchemy's asyncio engine without its object mapper, which the package also imports and nobody uses.

The mapper is a fifth of a second of each command, and 20 MB of each role.
"""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Final

_PACKAGE: Final = "sqlalchemy.ext.asyncio"

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
else:
    # A module of a package is found through the package, which need not have run for that.
    spec = None if _PACKAGE in sys.modules else find_spec(_PACKAGE)
    if spec is not None:
        sys.modules[_PACKAGE] = module_from_spec(spec)
    try:
        engine = import_module(f"{_PACKAGE}.engine")
    finally:
        if spec is not None:
            del sys.modules[_PACKAGE]  # a later import gets it whole, with this very engine
    AsyncConnection, AsyncEngine = engine.AsyncConnection, engine.AsyncEngine
    create_async_engine = engine.create_async_engine

__all__ = ["AsyncConnection", "AsyncEngine", "create_async_engine"]
