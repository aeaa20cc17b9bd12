"""Schemathesis reads both OpenAPI documents of the door, and finds nothing.

Its cost: some 850 requests a document.
"""

from asyncio import to_thread
from functools import partial
from pathlib import Path

import pytest

from tests.kit.schemathesis_run import schemathesis
from tests.worlds.api import PASSWORD, TOKEN, USER, ApiWorld, basic, bearer, door, ready
from tests.worlds.servers import MlflowServer

NOT_ASKED = ("--exclude-checks", "positive_data_acceptance", "--warnings", "off")
ENDLESS = ("--exclude-path-regex", "/events$")
MANY = {"API__ASKS_PER_MINUTE": "1000000", "API__CALLS_PER_MINUTE": "1000000"}


SEEDS = (pytest.param(1, 1), *(pytest.param(2 + n, 12, marks=pytest.mark.soak) for n in range(3)))


@pytest.mark.parametrize(("seed", "examples"), SEEDS)
@pytest.mark.parametrize(
    ("document", "credential", "left_out"),
    [("/openapi.json", bearer(TOKEN), ENDLESS), ("/api/v1/openapi.json", basic(USER, PASSWORD), ())],
    ids=["own pages", "DAG pages"],
)
async def test_schemathesis_finds_nothing(
    world: ApiWorld,
    mlflow_server: MlflowServer,
    tmp_path: Path,
    document: str,
    credential: dict[str, str],
    left_out: tuple[str, ...],
    seed: int,
    examples: int,
) -> None:
    """No 5xx, nothing undocumented, nothing open that should ask, and what is not valid is refused.

    Rules between two fields (both names of a version, a key that was used before, or that has to be the
    one in the path) stand in no schema, so a refusal of what fits the schema is no finding; and progress
    streams have no end.
    """
    async with door(world, MLFLOW_TRACKING_URI=mlflow_server.tracking_uri, **MANY) as client:
        await ready(client)
        described, authorization = f"{client.base_url}{document}", credential["Authorization"]
        more = (*NOT_ASKED, *left_out)
        ask = partial(schemathesis, described, authorization, tmp_path, more=more)
        run = await to_thread(ask, examples=examples, seed=seed)
    assert "No issues found" in run.stdout, run.stdout
    assert run.returncode == 0
