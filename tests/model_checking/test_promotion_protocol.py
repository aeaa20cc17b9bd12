"""No order of promoters, reconcilers, crashes, lost answers and persons loses or stales a promotion.

Its cost: every order of steps of each story. `make soak` goes through the longest stories.
"""

from collections.abc import Callable

import pytest

from domain.counterparts import Announced
from domain.points import Point
from tests.chaos.figures import FIGURES
from tests.model_checking import broken_protocols as broken
from tests.model_checking.asking import NotingPoints
from tests.model_checking.explore import Found, Story, search
from tests.model_checking.stories import bare_story, story

LOST = Announced(generation=2, version=2)  # while the ledger holds generation 1 alone
ONE, OTHER, LOOK = "carry 3 @w1", "carry 4 @w2", "reconcile @w3"
BACK, HAND = "rollback @p", "promote 9 @q"
HOLD, FOR_A_WHILE = "hold @h", "hold and release @h"

STORIES: tuple[Callable[[], Story], ...] = (
    lambda: story("two promoters", ONE, OTHER),
    lambda: story("two promoters, the first champion ever", ONE, OTHER, history=()),
    lambda: story("two reconcilers beside one who has promoted", ONE, LOOK, "reconcile @w4", promoted=3),
    lambda: story("a promoter and a person", ONE, LOOK, choices=(9,)),
    lambda: story("a registry that is taken over", ONE, LOOK, history=(), alias=9),
    lambda: story("a stopped worker that wakes behind its successor", ONE, "carry 3 @w2"),
    lambda: story("a crash beside a reconciler", ONE, LOOK, crashes=1),
    lambda: story("an answer lost beside a reconciler", ONE, LOOK, lost_answers=1),
    lambda: story("an answer lost, and a person", ONE, LOOK, lost_answers=1, choices=(3,), history=(1, 2)),
    lambda: story("a crash, and a person", ONE, crashes=1, choices=(9,)),
    lambda: story("a run that is cancelled", ONE, "cancel 3 @p", crashes=1),
    lambda: story("two persons who cancel one run", ONE, "cancel 3 @p", "cancel 3 @q"),
    lambda: story("a run that is cancelled beside a promoter", ONE, OTHER, "cancel 3 @p"),
    lambda: story("two promoters and a crash", ONE, OTHER, crashes=1),
    lambda: story("a restored ledger, and a person goes on", LOOK, "accept @p", announced=LOST),
    lambda: story("a restored ledger beside a promoter", ONE, "accept @p", announced=LOST),
    lambda: story("a restored ledger, and a person moves", LOOK, "accept @p", announced=LOST, choices=(9,)),
    lambda: story("a restored ledger, and two go on", "accept @p", "accept @q", announced=LOST),
    lambda: story("a rollback", LOOK, BACK, history=(1, 2)),
    lambda: story("a rollback, and a crash", BACK, history=(1, 2), crashes=1),
    lambda: story("a rollback, and a lost answer", BACK, history=(1, 2), lost_answers=1),
    lambda: story("a rollback during a promotion", ONE, BACK, history=(1, 2)),
    lambda: story("two rollbacks", BACK, "rollback @q", history=(1, 2)),
    lambda: story("a rollback against an override by hand", BACK, history=(1, 2), choices=(9,)),
    lambda: story("a person promotes beside a promoter", ONE, HAND),
    lambda: story("a person promotes, and a crash", HAND, crashes=1),
    lambda: story("a person promotes while another steps back", HAND, BACK, history=(1, 2)),
    lambda: story("a restored ledger, and a crash", ONE, "accept @p", announced=LOST, crashes=1),
    lambda: story("a hold during a promotion", ONE, HOLD),
    lambda: story("a hold, and a crash", ONE, HOLD, crashes=1),
    lambda: story("a hold during a promotion, and its release", ONE, FOR_A_WHILE),
    lambda: story("a hold beside a rollback", HOLD, BACK, history=(1, 2)),
)

# What takes three seconds and more.
LONG: tuple[Callable[[], Story], ...] = (
    lambda: story("a person who goes back to an earlier version", ONE, LOOK, history=(1, 2), choices=(1,)),
    lambda: story("two promoters and a person", ONE, OTHER, choices=(9,)),
    lambda: story("two crashes beside a reconciler", ONE, LOOK, crashes=2),
    lambda: story("two promoters and a lost answer", ONE, OTHER, lost_answers=1),
    lambda: story("a stopped worker that wakes beside a reconciler", ONE, "carry 3 @w2", LOOK),
    lambda: story("two reconcilers beside a promoter", ONE, LOOK, "reconcile @w4"),
    lambda: story("a crash, and a person beside a reconciler", ONE, LOOK, crashes=1, choices=(9,)),
    lambda: story("a restored ledger, and a person moves on", ONE, "accept @p", announced=LOST, choices=(9,)),
    # 3.6 million states: a minute, and 600 MB.
    lambda: story("a restored ledger, and all three", ONE, LOOK, "accept @p", announced=LOST),
)

BROKEN: tuple[Callable[[], Story], ...] = (
    lambda: bare_story("compare and set on the alias, no ledger", broken.compare_and_set_alias),
    lambda: bare_story("a lease alone", broken.set_alias_under_lease),
    lambda: story("the head is never read again", ONE, OTHER, projector=broken.NeverLooksAgain),
    lambda: story("nobody looks directly before writing", ONE, choices=(9,), projector=broken.LooksOnce),
    lambda: story("nobody asks what was announced", ONE, announced=LOST, is_asked=False),
    lambda: story("each projects its own version", ONE, OTHER, projector=broken.ProjectsItsOwn),
    lambda: story("whoever lost a run goes on", ONE, "cancel 3 @p", carry=broken.carry_what_was_lost),
    lambda: story("the ledger does not look at holds", ONE, HOLD, guarded=False),
    lambda: story("the old verdict is used again", ONE, OTHER, carry=broken.carry_with_the_old_verdict),
)


def _told(found: Found) -> str:
    return "\n    ".join((f"{found.wrong}:", *found.trace))


@pytest.mark.parametrize(
    "tell",
    [*STORIES, *(pytest.param(tell, marks=pytest.mark.soak) for tell in LONG)],
    ids=lambda tell: tell().name,
)
def test_no_order_of_steps_breaks_a_promise(tell: Callable[[], Story]) -> None:
    """Case P02: the product's own code, every interleaving."""
    found = search(tell())
    assert not found.wrong, _told(found)
    assert found.quiet
    FIGURES.add("model checker: states", found.states)


@pytest.mark.parametrize("tell", BROKEN, ids=lambda tell: tell().name)
def test_a_broken_protocol_is_found_out(tell: Callable[[], Story]) -> None:
    """A search that finds nothing wrong with these would find nothing at all."""
    found = search(tell())
    assert found.wrong
    FIGURES.add("model checker: broken protocols found out", 1)


def test_a_search_that_is_cut_off_does_not_pass() -> None:
    with pytest.raises(OverflowError, match="more than 100 states"):
        search(story("two promoters", ONE, OTHER), limit=100)


def test_every_crash_point_of_the_protocol_is_passed() -> None:
    """A step that the search does not know would go unchecked."""
    points = NotingPoints()
    search(story("two promoters and a reconciler's look", ONE, OTHER, points=points))
    search(story("a look", ONE, LOOK, points=points))
    search(story("a run that is cancelled", ONE, "cancel 3 @p", points=points))
    search(story("a rollback", BACK, history=(1, 2), points=points))
    search(story("a person promotes", HAND, points=points))
    search(story("a hold during a promotion", ONE, FOR_A_WHILE, points=points))
    within = (
        "decide.",
        "project.",
        "persist.",
        "reconcile.",
        "cancel.",
        "rollback.",
        "promote.",
        "hold.",
        "release.",
    )
    atomic = {Point.PERSIST_AFTER_TEMP, Point.PERSIST_AFTER_REPLACE}  # inside of one file's replacement
    atomic |= {Point.PROMOTE_BEFORE_REGISTER}  # what is registered is nobody else's business
    wanted = {point for point in Point if point.startswith(within)} - atomic
    assert wanted - points.passed_points == set()
