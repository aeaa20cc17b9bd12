"""What people and programs know a run by: its name in lists, its ids, and which run a text means."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final

from domain.run import Run
from domain.verdict import Decision, Verdict
from domain.version_triple import VersionTriple

# A run's own id first, then its request's, then what it may share with other runs.
_KINDS: Final[tuple[Callable[[Run], str | None], ...]] = tuple(
    attrgetter(name) for name in ("run_id", "causation_id", "mlflow_run_id", "identity", "correlation_id")
)
_FITS: Final = (str.__eq__, str.startswith)


def meant_by(text: str, runs: Sequence[Run]) -> list[Run]:
    """The runs that a text means: whole ids before beginnings, a run's own ids before shared ones.

    More than one: it is ambiguous.
    """
    for fits in _FITS:
        for kind in _KINDS:
            found = [run for run in runs if (known := kind(run)) and fits(known, text)]
            if found:
                return found
    return []


def known_by(text: str, runs: Sequence[Run]) -> list[Run]:
    """Every run that one of its ids names whole; if there is none, each with an id that begins so."""
    for fits in _FITS:
        found = [run for run in runs if any((known := kind(run)) and fits(known, text) for kind in _KINDS)]
        if found:
            return found
    return []


FAILED: Final = "failed"
_ENDINGS: Final = {Decision.DECLINE: "declined", Decision.INCONCLUSIVE: "inconclusive"}


def run_name(run_id: str, versions: VersionTriple, ending: str = "") -> str:
    """Such as `60a068c3 s1 f1 m3 promoted g2`; without an ending while the run goes on."""
    split, features, model = versions.split_version, versions.feature_version, versions.model_version
    return f"{run_id[:8]} s{split} f{features} m{model} {ending}".rstrip()


def ending_of(verdict: Verdict, generation: int | None) -> str:
    """The last words of the name of a run that came to its verdict."""
    return f"promoted g{generation}" if generation is not None else _ENDINGS[verdict.decision]
