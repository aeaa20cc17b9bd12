"""Pages of the champions: who reigned when, why a model was promoted or was not, and two models compared."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query
from pydantic import Field

from domain.history import Reign, ReignForm
from domain.model_comparison import ModelComparisonForm, compared_models, known_overlap
from domain.ports.clock import Clock
from domain.story import StoryForm
from service.gateway.openapi import refusals
from service.gateway.refusals import DescribedRoute, Moment, as_problem, not_found
from service.gateway.views import View
from service.promotion.explainer import Explainer, NothingFits
from service.runtime.web.problems import ProblemDetails

_MOST: Final = 100
_LAST: Final = 2**62
_LONGEST: Final = 400
_THERE_IS_NONE: Final = "There is no such generation, version, run or request, or the id fits several runs."
_AWAY: Final = "The run store, or MLflow for a version that never was champion, does not answer."

Limit = Annotated[int, Query(ge=1, le=_MOST, description="At most so many.")]
Before = Annotated[int | None, Query(ge=1, le=_LAST, description="Only generations before this one.")]
Since = Annotated[Moment | None, Query(description="Only those that reigned then or later.")]
At = Annotated[
    Moment | None, Query(description="Only who reigned then: one or none. It takes no other parameter.")
]
GenerationNumber = Annotated[int, Path(ge=1, le=_LAST, description="The generation's number.")]
Id = Annotated[
    str,
    Path(
        max_length=_LONGEST,
        description="A generation (`12`, `g12`), a version (`v12`), or an id of a run or a request, or its "
        "beginning. `run:…` and `request:…` name an id that looks like a number.",
    ),
]
SideId = Annotated[str, Query(min_length=1, max_length=_LONGEST, description="As in `/explain/{id}`.")]


class ChampionsView(View):
    """One page of champions, newest first; `next` leads to the page after it."""

    champions: tuple[ReignForm, ...] = Field(description="The champions of this page, newest first.")
    limit: int = Field(description="At most so many on a page.")
    next: str | None = Field(description="The next page; null on the last one.")


@dataclass(frozen=True)
class HistoryDependencies:
    """What the pages are made of."""

    explainer: Explainer
    clock: Clock

    def forms(self, reigns: Sequence[Reign]) -> tuple[ReignForm, ...]:
        """Each reign, its time so far by the run store's clock."""
        now = self.clock.now()
        return tuple(ReignForm.of(reign, now) for reign in reigns)


def history_routes(dependencies: HistoryDependencies) -> APIRouter:
    """Make the pages."""
    router = APIRouter(tags=["champions"], route_class=DescribedRoute)
    _add_champions(router, dependencies)
    _add_explaining(router, dependencies.explainer, dependencies.clock)
    return router


def _add_champions(router: APIRouter, dependencies: HistoryDependencies) -> None:
    history = dependencies.explainer.history

    @router.get("/champions", summary="List the champions", responses=refusals(422))
    async def champions(
        at: At = None, since: Since = None, before: Before = None, limit: Limit = 20
    ) -> ChampionsView:
        """Newest first: who, what, why, the gate's metric, and how long each reigned."""
        if at is not None:
            with as_problem():
                reign = await history.at(at)
            found = [] if reign is None else [reign]
            return ChampionsView(champions=dependencies.forms(found), limit=limit, next=None)
        with as_problem():
            reigns = await history.page(limit + 1, before=before, since=since)
        page = reigns[:limit]
        further = _next(page[-1].entry.generation, since, limit) if len(reigns) > limit else None
        return ChampionsView(champions=dependencies.forms(page), limit=limit, next=further)

    @router.get(
        "/champions/{generation}",
        summary="Tell of one champion",
        responses=refusals(404, 422, m404="There is no such generation."),
    )
    async def champion(generation: GenerationNumber) -> ReignForm:
        """What was promoted, by whom and why, on which figures, since when and until when."""
        with as_problem():
            reign = await history.generation(generation)
        if reign is None:
            raise not_found(f"generation {generation}")
        return dependencies.forms([reign])[0]


def _add_explaining(router: APIRouter, explainer: Explainer, clock: Clock) -> None:
    refused = refusals(404, 422, m404=_THERE_IS_NONE, m503=_AWAY)

    @router.get("/explain/{id}", summary="Say why a model was promoted, or was not", responses=refused)
    async def explain(id: Id) -> StoryForm:  # noqa: A002 - the name in the path
        """`answer` says it in a sentence; the rest is how it came to that.

        A bare number is a generation, or else a version.
        """
        async with _answered():
            return (await explainer.explain(id)).form(clock.now())

    @router.get("/compare", summary="Compare two models", responses=refused)
    async def compare(a: SideId, b: SideId) -> ModelComparisonForm:
        """Configuration, data by digest and rows, metrics on the same bytes, and shared training rows.

        Rows of different training parts are counted by `laurel compare`, which reads them; here their number
        is null then.
        """
        async with _answered():
            one, other = await explainer.side(a), await explainer.side(b)
        return compared_models(explainer.model_name, one, other, known_overlap(one.record, other.record))


@asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    with as_problem():
        try:
            yield
        except NothingFits as error:
            raise ProblemDetails(404, error.reason, error.message) from error


def _next(generation: int, since: datetime | None, limit: int) -> str:
    kept = [] if since is None else [("since", since.isoformat())]
    return f"/champions?{urlencode([*kept, ('before', generation), ('limit', limit)])}"
