"""Whether a model has workers: a quiet fleet told from a hung, a missing and a wrong one."""

from collections.abc import Iterable, Sequence
from typing import Final

from domain.ports.workers import WORKER, HeardProcess, Waiting
from domain.values import Value

SILENT_AFTER_SECONDS: Final = 30.0  # three heartbeats
_MOST_NAMES: Final = 5


class Fleet(Value):
    """The workers of a model. `elsewhere`: other models that have living ones.

    `unheard`: who holds runs without a heartbeat, and `readers` how many read the model's requests: workers
    of a Laurel that wrote none yet are known by these alone.
    """

    model_name: str
    living: tuple[HeardProcess, ...]
    silent: tuple[HeardProcess, ...]
    elsewhere: tuple[str, ...]
    unheard: tuple[str, ...]
    readers: int

    @property
    def works(self) -> bool:
        """True unless nothing says that anybody works for the model."""
        return bool(self.living or self._has_older)

    @property
    def is_whole(self) -> bool:
        """True when all that was heard of lives, and nobody works unheard."""
        return bool(self.living) and not self.silent and not self.unheard

    @property
    def told(self) -> str:
        """Say who works, in a sentence."""
        if self.living:
            said = [_many(self.living, "worker"), *self._told_silent(), *self._told_unheard()]
            return "; ".join(said)
        if self._has_older:
            return "; ".join([self._told_older(), *self._told_silent()])
        return f"no worker of model {self.model_name} {self._since()}; {self._told_elsewhere()}"

    @property
    def advice(self) -> str:
        """Say what to do."""
        if not self.works:
            return "start `laurel worker`, or correct MLFLOW_MODEL_NAME; `laurel workers` lists all"
        if self.silent:
            return "end a hanging worker and restart it; its runs go on elsewhere"
        return "" if self.is_whole else "upgrade those without heartbeats: it is unknown whether they live"

    @property
    def _has_older(self) -> bool:
        return bool(self.unheard) or (self.readers > 0 and not self.silent)

    def _since(self) -> str:
        if not self.silent:
            return "was seen within a day"
        latest = min(self.silent, key=lambda process: process.silent_seconds)
        return f"seen for {span(latest.silent_seconds)} ({_listed(map(_placed, self.silent))})"

    def _told_elsewhere(self) -> str:
        if not self.elsewhere:
            return "there are no workers of other models"
        return f"there are workers of: {_listed(self.elsewhere)}"

    def _told_silent(self) -> list[str]:
        return [f"silent: {_named(self.silent)}"] if self.silent else []

    def _told_unheard(self) -> list[str]:
        return [f"runs are held without a heartbeat by: {_listed(self.unheard)}"] if self.unheard else []

    def _told_older(self) -> str:
        signs = [f"runs are held by {_listed(self.unheard)}"] if self.unheard else []
        signs += [f"{self.readers} of its consumers read requests"] if self.readers else []
        return f"no worker of model {self.model_name} writes heartbeats, as one of Laurel 0.1.0, but " + (
            " and ".join(signs)
        )


def fleet_of(model_name: str, heard: Iterable[HeardProcess], waiting: Waiting, readers: int) -> Fleet:
    """Sort what was heard of."""
    workers = [process for process in heard if process.role == WORKER]
    own = [worker for worker in workers if worker.model_name == model_name]
    names = {worker.name for worker in own}
    others = {
        worker.model_name for worker in workers if worker.model_name != model_name and not is_silent(worker)
    }
    return Fleet(
        model_name=model_name,
        living=tuple(worker for worker in own if not is_silent(worker)),
        silent=tuple(worker for worker in own if is_silent(worker)),
        elsewhere=tuple(sorted(others)),
        unheard=tuple(sorted(set(waiting.holders) - names)),
        readers=readers,
    )


def is_silent(process: HeardProcess) -> bool:
    """True for one that missed three heartbeats: it hangs, was killed, or cannot reach the run store."""
    return process.silent_seconds > SILENT_AFTER_SECONDS


def _many(processes: Sequence[HeardProcess], what: str) -> str:
    runs = sum(len(process.runs) for process in processes)
    who = _listed(f"{process.name} (Laurel {process.laurel_version})" for process in processes)
    plural = "" if len(processes) == 1 else "s"
    return f"{len(processes)} {what}{plural}: {who}; {runs or 'no'} run{'' if runs == 1 else 's'} in hand"


def _named(processes: Sequence[HeardProcess]) -> str:
    return _listed(f"{_placed(process)}, for {span(process.silent_seconds)}" for process in processes)


def _placed(process: HeardProcess) -> str:
    return f"{process.name}, pid {process.pid} on {process.host}"


def _listed(names: Iterable[str]) -> str:
    all_names = [*names]
    more = len(all_names) - _MOST_NAMES
    return ", ".join([*all_names[:_MOST_NAMES], *([f"and {more} more"] if more > 0 else [])])


def span(seconds: float) -> str:
    """A span as people say it: 40 s, 12 min, 3 h."""
    for unit, length, most in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < most:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"
