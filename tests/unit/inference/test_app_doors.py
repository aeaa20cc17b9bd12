"""Who may ask what, and what every answer carries."""

import pytest
from structlog.testing import capture_logs

from tests.worlds.served_models import BEARER, ROW, TOKEN, open_stage, served_model

OPEN = ("/health", "/health/live", "/health/ready", "/metrics")
LOCKED = (
    ("POST", "/predict"),
    ("POST", "/reload"),
    ("GET", "/info"),
    ("GET", "/schema"),
    ("GET", "/openapi.json"),
)
WRONG: tuple[dict[str, str], ...] = (
    {},
    {"Authorization": "Bearer open-sesam"},
    {"Authorization": f"Bearer {TOKEN}e"},
    {"Authorization": f"Basic {TOKEN}"},
    {"Authorization": TOKEN},
    {"Authorization": "Bearer "},
)


@pytest.mark.parametrize(("method", "page"), LOCKED)
async def test_with_a_token_a_page_asks_for_it(method: str, page: str) -> None:
    async with open_stage(served_model(), token=TOKEN) as stage:
        for headers in WRONG:
            answer = await stage.client.request(method, page, json=ROW, headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="laurel"')
            assert answer.headers["content-type"] == "application/problem+json"
            assert TOKEN not in answer.text
        allowed = await stage.client.request(method, page, json=ROW, headers=BEARER)
        assert allowed.status_code != 401


@pytest.mark.parametrize("page", OPEN)
async def test_probes_and_prometheus_need_no_token(page: str) -> None:
    async with open_stage(served_model(), token=TOKEN) as stage:
        assert (await stage.client.get(page)).status_code == 200


async def test_the_page_for_people_opens_in_a_browser_and_tells_strangers_nothing_of_the_model() -> None:
    async with open_stage(served_model(), token=TOKEN) as stage:
        stranger, known = await stage.client.get("/docs"), await stage.client.get("/docs", headers=BEARER)
        guessing = await stage.client.get("/docs", headers={"Authorization": "Bearer guessed"})
    assert (stranger.status_code, known.status_code, guessing.status_code) == (200, 200, 401)
    assert "POST /predict" in stranger.text
    assert "with the token" in stranger.text
    for word in ("price", "grade", "floors"):
        assert (word in known.text, word in stranger.text) == (True, False)


async def test_two_tokens_are_none() -> None:
    async with open_stage(served_model(), token=TOKEN) as stage:
        twice = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer other")]
        assert (await stage.client.get("/info", headers=twice)).status_code == 401


async def test_without_a_token_all_is_open_but_the_reload() -> None:
    async with open_stage(served_model()) as stage:
        assert (await stage.client.get("/info")).status_code == 200
        answer = await stage.client.post("/reload", json={}, headers=BEARER)
        assert (answer.status_code, answer.json()["reason"]) == (403, "reload_closed")
        assert "INFERENCE_INTERNAL_TOKEN" in answer.json()["detail"]
        assert stage.reloads.guards == []


@pytest.mark.parametrize(
    ("token", "headers", "reason"),
    [
        (TOKEN, {}, "no_token"),
        (TOKEN, {"Authorization": "Bearer guessed"}, "wrong_token"),
        (None, {}, "reload_closed"),
    ],
)
async def test_each_refused_reload_is_written_down(
    token: str | None, headers: dict[str, str], reason: str
) -> None:
    async with open_stage(served_model(), token=token) as stage:
        with capture_logs() as lines:
            await stage.client.post("/reload", json={}, headers=headers)
    told = [line for line in lines if line["event"] == "reload_refused"]
    assert [(line["reason"], line["client"]) for line in told] == [(reason, "127.0.0.1")]
    assert "guessed" not in str(lines)


async def test_every_answer_carries_the_headers_that_keep_browsers_safe() -> None:
    async with open_stage(served_model(), token=TOKEN) as stage:
        for page in ("/health", "/docs", "/info", "/none"):
            for headers in ({}, BEARER):
                answer = await stage.client.get(page, headers=headers)
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert answer.headers["x-frame-options"] == "DENY"
                assert "default-src 'none'" in answer.headers["content-security-policy"]
                assert len(answer.headers.get_list("content-security-policy")) == 1


async def test_unknown_pages_and_methods_are_problems_too() -> None:
    async with open_stage(served_model()) as stage:
        missing, wrong = await stage.client.get("/none"), await stage.client.get("/predict")
        slashed = await stage.client.get("/info/")
    assert (missing.status_code, missing.json()["reason"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["reason"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"
    assert slashed.status_code == 404
    assert missing.headers["content-type"] == wrong.headers["content-type"] == "application/problem+json"
