"""The page for people of both doors."""

import re

import httpx

from tests.kit.alert_rules import unheard


async def test_the_page_leads_to_both_documents(client: httpx.AsyncClient) -> None:
    shown = (await client.get("/docs", headers={"Authorization": ""})).text
    told = re.findall(r"machines: <code>(.*?)</code>", shown)
    assert told == ["/openapi.json", "/api/v1/openapi.json"]
    for address in told:
        document = (await client.get(address, headers={"Authorization": ""})).json()
        for path, operations in document["paths"].items():
            assert all(f"<code>{method.upper()} {path}</code>" in shown for method in operations)


async def test_the_doors_figures_are_there_before_anybody_called(client: httpx.AsyncClient) -> None:
    figures = (await client.get("/metrics", headers={"Authorization": ""})).text
    assert unheard(figures) == []
