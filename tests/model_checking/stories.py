"""The stories that the search goes through, each small enough to be gone through whole."""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

from domain.counterparts import Announced
from service.lifecycle.run_ports import RunPorts
from service.promotion.projector import LedgerProjector
from tests.model_checking import programs
from tests.model_checking.asking import NotingPoints, asking_world
from tests.model_checking.explore import Story
from tests.model_checking.local_states import Start
from tests.model_checking.shared import Entries, RunRow, Shared

ProjectorKind = type[LedgerProjector]
Carry = Callable[..., Coroutine[Any, Any, None]]


def story(
    name: str,
    *processes: str,
    history: Iterable[int] = (1,),
    alias: int | None = None,
    promoted: int | None = None,
    projector: ProjectorKind = LedgerProjector,
    carry: Carry = programs.carry,
    points: NotingPoints | None = None,
    announced: Announced | None = None,
    is_asked: bool = True,
    guarded: bool = True,
    **what_may_happen: Any,
) -> Story:
    """Tell a story.

    A process is `carry 3 @w1` (worker w1 carries the run that makes version 3), `reconcile @w2`, `cancel 3
    @p` (a person cancels that run; all runs are then TRAINED at the start), `rollback @p` (a person steps
    back), `promote 9 @p` (a person decides for version 9), `hold @p` (a person holds promotions, and with
    `hold and release @p` for a while; a store that is not `guarded` promotes all the same), or `accept @p` (a
    person goes on after a restore: what was `announced` before is not in the ledger, and the processes ask
    for it unless `is_asked` is false). `history` are the versions that were champions before; `alias` is what
    the alias shows if that is not the last of them. The run that makes `promoted` has won, and nothing shows
    it yet. A killed worker comes back under its name. A broken `projector` is a promoter's, never the
    reconciler's.
    """
    entries, noted = Entries(), points or NotingPoints()
    before = programs.earlier_entries(*history)
    head = before[-1] if before else None
    ledger = before if promoted is None else programs.earlier_entries(*history, promoted)
    begins = "TRAINED" if any(process.startswith("cancel") for process in processes) else "EVALUATED"
    decided = tuple(9 if process.startswith("promote") else 0 for process in processes if _decides(process))
    may_be_held = any(process.startswith("hold") for process in processes)
    made: dict[str, Start] = {}
    reborn: dict[str, str] = {}
    versions: set[int] = set()
    for process in (*processes, "reconcile @end"):
        doing, _, worker = process.partition(" @")
        world = asking_world(worker, noted, announced if is_asked else None, may_be_held=may_be_held)
        if doing in _WITHOUT_A_RUN:
            made[process] = _WITHOUT_A_RUN[doing](world)
            continue
        version = int(doing.split()[1])
        versions.add(version)
        if doing.startswith("cancel"):
            made[process] = _cancel(version, noted)
            continue
        made[process] = _carry(carry, version, head, world, projector)
        reborn[process] = process
    shared = Shared(
        ledger=tuple(entries.number(entry) for entry in ledger),
        announced=len(before),
        alias=head.version if head else alias,
        defaults=head.version if head else 0,
        runs=tuple(
            (version, _row(version, promoted, len(ledger), begins=begins)) for version in sorted(versions)
        ),
        moves=(alias,) if alias is not None else (0,) if announced else decided,
        used=announced.generation if announced else 0,
        guarded=guarded,
    )
    return Story(
        name, processes, made, shared, entries, reborn, reconciler="reconcile @end", **what_may_happen
    )


def _decides(process: str) -> bool:
    """A person decides here; so the best may not be champion."""
    return process.startswith(("rollback", "promote"))


def _row(version: int, promoted: int | None, generation: int, *, begins: str) -> RunRow:
    return RunRow(state="PROMOTED", generation=generation) if version == promoted else RunRow(state=begins)


def bare_story(name: str, promote: Callable[[int], Coroutine[Any, Any, None]]) -> Story:
    """Two promoters without a ledger: 3 and 4 against the champion 1."""
    made: Mapping[str, Start] = {f"promote {version}": _promote(promote, version) for version in (3, 4)}
    runs = tuple((version, RunRow(state="COMPLETED")) for version in (1, 3, 4))
    before = Shared(alias=1, defaults=1, runs=runs)
    return Story(name, tuple(made), made, before, Entries(), reconciler=None)


def _promote(promote: Callable[[int], Coroutine[Any, Any, None]], version: int) -> Start:
    return lambda: promote(version)


def _carry(carry: Carry, version: int, head: object, world: RunPorts, projector: ProjectorKind) -> Start:
    return lambda: carry(version, head, world, world.projector(projector))


def _cancel(version: int, points: NotingPoints) -> Start:
    return lambda: programs.cancel(version, points)


def _reconcile(world: RunPorts) -> Start:
    return lambda: programs.reconcile(world, world.projector())


def _accept(world: RunPorts) -> Start:
    return lambda: programs.accept(world)


def _hold(world: RunPorts) -> Start:
    return lambda: programs.hold(world)


def _hold_and_release(world: RunPorts) -> Start:
    return lambda: programs.hold_and_release(world)


def _roll_back(world: RunPorts) -> Start:
    return lambda: programs.roll_back(world)


def _promote_by_hand(world: RunPorts) -> Start:
    return lambda: programs.promote_by_hand(world)


_WITHOUT_A_RUN: Final[Mapping[str, Callable[[RunPorts], Start]]] = {
    "reconcile": _reconcile,
    "accept": _accept,
    "rollback": _roll_back,
    "hold": _hold,
    "hold and release": _hold_and_release,
    "promote 9": _promote_by_hand,
}
