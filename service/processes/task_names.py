"""A task is named by where it is imported from: "package.module:function"."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class JobRef(Generic[Job, Result]):
    """A typed reference to a child's function `(job: takes) -> gives`, made without importing it.

    Its module imports libraries that only children hold. A test compares every reference with the
    annotations of its function.
    """

    path: str
    takes: type[Job]
    gives: type[Result]


def resolve(task: str) -> Callable[..., Any]:
    """Import the function that *task* names. Raises ImportError or AttributeError."""
    module, _, name = task.partition(":")
    return cast("Callable[..., Any]", getattr(importlib.import_module(module), name))
