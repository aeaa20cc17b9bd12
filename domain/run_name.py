"""What a run is called where people read a list of runs: whose request, which versions, and how it ended."""

from typing import Final

from domain.verdict import Decision, Verdict
from domain.version_triple import VersionTriple

FAILED: Final = "failed"
_ENDINGS: Final = {Decision.DECLINE: "declined", Decision.INCONCLUSIVE: "inconclusive"}


def run_name(run_id: str, versions: VersionTriple, ending: str = "") -> str:
    """Such as `60a068c3 s1 f1 m3 promoted g2`; without an ending while the run goes on."""
    split, features, model = versions.split_version, versions.feature_version, versions.model_version
    return f"{run_id[:8]} s{split} f{features} m{model} {ending}".rstrip()


def ending_of(verdict: Verdict, generation: int | None) -> str:
    """The last words of the name of a run that came to its verdict."""
    return f"promoted g{generation}" if generation is not None else _ENDINGS[verdict.decision]
