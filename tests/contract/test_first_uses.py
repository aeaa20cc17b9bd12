"""What every FirstUses promises."""

import asyncio
import hashlib
from pathlib import Path
from typing import Final

from config.settings import settings_with
from service.adapters.files.config_families import FileConfigFamilies
from service.cli.slow_formats import sorted_slow_formats
from tests.contract.stores import OnFakes, OnPostgres, Stores

OLD_CONTRACT: Final = """version: 1
columns:
  key: {type: int}
  code: {type: string, format: '(?=A)\\w+'}
  price: {type: float}
primary_key: [key]
target: price
"""


class FirstUsesContract:
    async def test_what_was_never_used_is_not_known(self, stores: Stores) -> None:
        assert await stores.first_uses.known("splits", "v1") is None

    async def test_the_first_digest_stays(self, stores: Stores, others: Stores) -> None:
        assert await stores.first_uses.record("splits", "v1", "one", "run 1") == "one"
        assert await others.first_uses.record("splits", "v1", "two", "run 2") == "one"
        assert await stores.first_uses.known("splits", "v1") == "one"

    async def test_kinds_and_names_are_apart(self, stores: Stores) -> None:
        await stores.first_uses.record("splits", "v1", "one", "run")
        assert await stores.first_uses.record("features", "v1", "two", "run") == "two"
        assert await stores.first_uses.record("splits", "v2", "three", "run") == "three"

    async def test_of_all_who_use_a_name_at_once_one_is_first_and_all_agree(
        self, stores: Stores, others: Stores
    ) -> None:
        answers = await asyncio.gather(
            *(
                process.first_uses.record("reference", "v1", f"digest {number}", "run")
                for number in range(10)
                for process in (stores, others)
            )
        )
        assert set(answers) == {await stores.first_uses.known("reference", "v1")}


class TestFakeFirstUses(OnFakes, FirstUsesContract):
    """In memory."""


class TestPostgresFirstUses(OnPostgres, FirstUsesContract):
    """On PostgreSQL."""

    async def test_a_contract_that_was_used_keeps_its_formats_and_is_named(
        self, stores: Stores, migrated_url: str, model: str, tmp_path: Path
    ) -> None:
        """While it is as it was: of another one under its name each format is a fault."""
        file = tmp_path / "data_contracts" / "v1.yaml"
        file.parent.mkdir()
        file.write_text(OLD_CONTRACT, encoding="utf-8")
        families = FileConfigFamilies(tmp_path)
        settings = settings_with(
            config_root=tmp_path,
            data_root=tmp_path,
            kafka_bootstrap_servers="k:9092",
            mlflow_tracking_uri="http://m:5000",
            database_url=migrated_url.replace("+psycopg", ""),
            mlflow_model_name=model,
        )
        new, kept = await sorted_slow_formats(families, settings)
        assert (len(new), len(kept)) == (1, 0)
        digest = hashlib.sha256(OLD_CONTRACT.encode()).hexdigest()
        await stores.first_uses.record("data_contracts", "v1", digest, "run")
        new, kept = await sorted_slow_formats(families, settings)
        assert (len(new), [fault.field for fault in kept]) == (0, ["columns.code.format"])
        file.write_text(OLD_CONTRACT + "# edited\n", encoding="utf-8")
        new, kept = await sorted_slow_formats(families, settings)
        assert (len(new), len(kept)) == (1, 0)
