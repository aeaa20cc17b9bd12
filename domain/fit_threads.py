"""How many threads a fit takes.

Where the number changes nothing in what is learned, it is what the worker can give. Where each number makes
a model of its own, it is what the model file names; a file that leaves it open (`n_jobs: -1`) gets the
worker's, which is frozen into the run: repeating a run gives the same model on every machine.
"""

from typing import Final, NamedTuple

from domain.model_types import MODEL_TYPES, Estimator

# Fewer are fitted in a second or two, and threads that share their processors take longer than one.
MANY_ROWS: Final = 100_000
_THREADS: Final = "n_jobs"


class ThreadShare(NamedTuple):
    """What a worker gives to one fit; `is_set`: a person said so, and it counts whatever is fitted."""

    number: int = 1
    is_set: bool = False


ONE_THREAD: Final = ThreadShare()


def frozen_threads(model: Estimator, share: ThreadShare) -> int | None:
    """The number that belongs to a run, since its model depends on it and its file leaves it open."""
    depends = MODEL_TYPES[model.type].threads_of(model.params) == "own"
    is_open = _THREADS in model.params and _named(model) is None
    return share.number if depends and is_open else None


def fit_threads(model: Estimator, rows: int, share: ThreadShare, frozen: int | None) -> int:
    """The number for a fit on so many rows."""
    named = frozen or _named(model)
    if named is not None:
        return named
    is_free = MODEL_TYPES[model.type].threads_of(model.params) == "any"
    return share.number if is_free and (share.is_set or rows >= MANY_ROWS) else 1


def _named(model: Estimator) -> int | None:
    named = model.params.get(_THREADS)
    return named if isinstance(named, int) and named > 0 else None
