"""What each step leaves in the run's row, as values that survive a restart."""

from collections.abc import Mapping

from domain.models import LoggedModel, ModelPackage
from domain.promotion_checks import Champion, NoChampion, UnreadableChampion
from domain.score import Score
from domain.values import Value
from domain.verdict import Verdict

ChampionOutlook = Champion | NoChampion | UnreadableChampion


class Trained(Value):
    """The package on disk and the logged model that holds its files."""

    package: ModelPackage
    model: LoggedModel


class Evaluated(Value):
    """The candidate's scores by dataset (`reference` and optional tests) and what is known of the other."""

    candidate: Mapping[str, Score]
    champion: ChampionOutlook
    seconds: float

    @property
    def reference(self) -> Score:
        """The candidate on the reference set: what the gate judges."""
        return self.candidate["reference"]


class Decided(Value):
    """The verdict, the champion that it was given against, and what a promotion made."""

    verdict: Verdict
    champion: ChampionOutlook
    version: int | None = None
    generation: int | None = None


class Persisted(Value):
    """The generation of the ledger that alias and defaults showed when they were read back."""

    shown_generation: int
