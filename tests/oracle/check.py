"""`check`: every invariant, asked of one world."""

from typing import Final

from tests.oracle.announced import announced
from tests.oracle.canaries import canaries
from tests.oracle.converged import converged
from tests.oracle.facts import Violation, World
from tests.oracle.fates import fates
from tests.oracle.fired import fired
from tests.oracle.frozen import frozen
from tests.oracle.ledger import ledger
from tests.oracle.offsets import offsets
from tests.oracle.one_end import one_end
from tests.oracle.one_record import one_record
from tests.oracle.whole_files import whole_files

INVARIANTS: Final = (
    one_end,
    one_record,
    ledger,
    converged,
    announced,
    whole_files,
    frozen,
    offsets,
    canaries,
    fired,
    fates,
)


def check(world: World, *, at_rest: bool) -> list[Violation]:
    """Say everything that is wrong; an empty list is a world in which all promises are kept.

    `at_rest`: the faults are off and the time that recovery may take is over, so more can be asked.
    """
    return [found for invariant in INVARIANTS for found in invariant(world, at_rest=at_rest)]
