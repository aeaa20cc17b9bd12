"""I11: a fault that did not happen proves nothing."""

from collections import Counter
from collections.abc import Iterator

from tests.oracle.facts import Violation, World


def fired(world: World, *, at_rest: bool) -> Iterator[Violation]:
    """Check at rest that every declared fault has fired."""
    if at_rest:
        for fault in (Counter(world.did.declared) - Counter(world.did.fired)).elements():
            yield Violation("I11", fault, "was declared, and never fired")
