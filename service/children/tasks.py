"""A task is named by where it is imported from: "package.module:function"."""

import importlib
from collections.abc import Callable
from typing import Any, cast


def resolve(task: str) -> Callable[..., Any]:
    """Import the function that *task* names. Raises ImportError or AttributeError."""
    module, _, name = task.partition(":")
    return cast("Callable[..., Any]", getattr(importlib.import_module(module), name))
