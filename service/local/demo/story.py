"""The story in seven chapters: requests over Kafka and what became of each, and the way back."""

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from config.settings import Settings
from domain.errors import NeverRetry
from domain.events import REQUEST_TOPIC
from domain.lifecycle import State
from domain.promotion_checks import Decision
from domain.run import Run
from domain.run_record import present
from service.adapters.kafka.requests import publish_request
from service.lifecycle.reading import Reading
from service.lifecycle.settings_values import kafka_connection
from service.lifecycle.workbench import open_world, rollback_in
from service.local.demo.api_client import GatewayClient
from service.local.demo.replicas import Replicas
from service.local.demo.stage import LAST_YEAR_OF_THE_FIRST_DELIVERY, Stage
from service.promotion.rollback import RollbackOrder

_SOURCE: Final = "/laurel/demo"
_SECONDS: Final = 90.0
_WORDS: Final[Mapping[int, str]] = {
    1: "champion: the model that production uses; generation: its number in the ledger of promotions",
    2: "candidate: the newly trained model; reference: fixed rows that judge every model",
    3: "promotion: the ledger gets an entry, alias and defaults follow, and every server loads the model",
    4: "rejected: the request may not run; it lists all faults, and nothing is trained",
    5: "effectively once: Kafka may bring a record twice, and its identity makes one run of it",
    6: "rollback: an entry of the ledger that names an earlier generation again; nothing is trained",
    7: "quarantine: neither this model nor its recipe is promoted again, until a person lifts that",
}


class Narrator(Protocol):
    """Tells the story on the terminal."""

    def chapter(self, number: int, title: str, words: str) -> None:
        """Begin a chapter, and say what its words mean."""

    def tell(self, text: str) -> None:
        """Say what happened."""

    def follow(self, run: Run) -> None:
        """Show how far a run is; called again and again."""


class Story:
    """Plays the chapters on a running Laurel. Raises NeverRetry when one does not end as it should."""

    def __init__(
        self,
        stage: Stage,
        settings: Settings,
        reading: Reading,
        replicas: Replicas,
        gateway: GatewayClient,
        narrator: Narrator,
    ) -> None:
        self._stage = stage
        self._gateway = gateway
        self._replicas = replicas
        self._settings = settings
        self._reading = reading
        self._narrator = narrator
        self._tell = narrator.tell

    async def play(self) -> None:
        """Play all of it."""
        await self._first_champion()
        await self._weaker_candidate()
        await self._new_sales()
        await self._bad_requests()
        await self._same_event_twice()
        await self._way_back()
        await self._quarantined_repeat()

    async def _first_champion(self) -> None:
        rows = self._stage.deliver_first_sales()
        year = LAST_YEAR_OF_THE_FIRST_DELIVERY
        title = f"{rows:,} sales up to {year}; no champion yet; a request without versions"
        self._narrator.chapter(1, title, _WORDS[1])
        await self._predict("before")
        run = await self._asked({"reason": "the first training"}, State.COMPLETED)
        self._tell(f"the defaults ({_versions(run)}) → {self._verdict(run)}")
        await self._served(run)

    async def _weaker_candidate(self) -> None:
        title = "a weaker model definition (model 2), requested over HTTP, judged on the same bytes"
        self._narrator.chapter(2, title, _WORDS[2])
        async with asyncio.timeout(_SECONDS):
            asked = await self._gateway.ask({"model_version": 2, "reason": "fewer trees"})
            self._tell(f"POST /training-requests → 202 Accepted, {asked.location}")
            async for line in self._gateway.progress(asked):
                self._tell(line)
            run = _as_wished(await self._ended(asked.identity), State.DECLINED, self._verdict)
        self._tell(self._verdict(run))

    async def _new_sales(self) -> None:
        reference, defaults = self._reference_digest(), self._defaults()
        rows = self._stage.deliver_all_sales()
        title = f"new sales arrive: the master grows to {rows:,} rows; a better model (model 3)"
        self._narrator.chapter(3, title, _WORDS[3])
        await self._predict("before")
        run = await self._asked({"model_version": 3, "reason": "new sales"}, State.COMPLETED)
        self._tell(self._verdict(run))
        self._tell(f"active_config.yaml: model_version {defaults} → {self._defaults()}")
        same = "untouched" if self._reference_digest() == reference else "CHANGED"
        self._tell(f"reference {same}: sha256 {reference[:16]}…")
        if same == "CHANGED":
            raise NeverRetry("reference_digest_mismatch", "the reference changed while the master grew")
        await self._served(run)

    async def _bad_requests(self) -> None:
        self._narrator.chapter(4, "a version that does not exist, and a typo", _WORDS[4])
        for payload in ({"feature_version": 99}, {"model_versoin": 3}):
            run = await self._asked(payload, State.REJECTED)
            for fault in (run.failure.facts if run.failure else {}).get("faults", ()):
                self._tell(f"rejected: {fault['message']}; allowed: {fault['allowed']}")

    async def _same_event_twice(self) -> None:
        self._narrator.chapter(5, "the same event, delivered twice", _WORDS[5])
        before = await self._runs()
        payload, event_id = {"model_version": 2, "reason": "told twice"}, str(uuid.uuid4())
        await self._publish(payload, event_id)
        await self._asked(payload, State.DECLINED, event_id)
        made = await self._runs() - before
        self._tell(f"two deliveries, {made} run")
        if made != 1:
            raise NeverRetry("doubled", f"the same event made {made} runs")

    async def _way_back(self) -> None:
        self._narrator.chapter(6, "predictions are too high: back to the champion before", _WORDS[6])
        defaults = self._defaults()
        order = RollbackOrder(None, "predictions are too high", "demo", str(uuid.uuid4()))
        async with asyncio.timeout(_SECONDS), open_world(self._settings, "laurel demo") as world:
            done = await rollback_in(world, self._settings).roll_back(order)
        self._tell("laurel rollback --reason 'predictions are too high'")
        self._tell(f"generation {done.entry.generation}: {done.entry.reasons[-1]}")
        self._tell(f"active_config.yaml: model_version {defaults} → {self._defaults()}")
        await self._served_by_all(done.entry.generation)

    async def _quarantined_repeat(self) -> None:
        self._narrator.chapter(7, "the next request would train that model again (model 3)", _WORDS[7])
        run = await self._asked({"model_version": 3, "reason": "nightly"}, State.DECLINED)
        if present(run.record.decided).verdict.decision is not Decision.QUARANTINED:
            raise NeverRetry("demo", f"what was rolled back from came again: {self._verdict(run)}")
        self._tell(self._verdict(run))
        await self._predict("now")

    async def _served(self, run: Run) -> None:
        await self._served_by_all(present(present(run.record.decided).generation))

    async def _served_by_all(self, generation: int) -> None:
        count, seconds = await self._replicas.converged(generation)
        self._tell(f"served by {count} of {count} servers {seconds:.2f} s after the promotion")
        await self._predict("now")

    async def _predict(self, when: str) -> None:
        self._tell(f"prediction {when}: {await self._replicas.answer(self._stage.one_house())}")

    async def _asked(self, payload: Mapping[str, object], end: State, event_id: str | None = None) -> Run:
        identity = await self._publish(payload, event_id or str(uuid.uuid4()))
        async with asyncio.timeout(_SECONDS):
            return _as_wished(await self._ended(identity), end, self._verdict)

    async def _publish(self, payload: Mapping[str, object], event_id: str) -> str:
        sent = await publish_request(
            kafka_connection(self._settings),
            REQUEST_TOPIC,
            {"model_name": self._settings.mlflow_model_name, "requested_by": "demo", **payload},
            model_name=self._settings.mlflow_model_name,
            source=_SOURCE,
            event_id=event_id,
        )
        return sent.identity

    async def _ended(self, identity: str) -> Run:
        while True:
            for found in await self._reading.store.find(identity):
                self._narrator.follow(found)
                if found.ended:
                    return found
            await asyncio.sleep(0.05)

    async def _runs(self) -> int:
        return len(await self._reading.store.recent(self._settings.mlflow_model_name, 1000))

    def _verdict(self, run: Run) -> str:
        decided = present(run.record.decided)
        what = f"promoted (generation {decided.generation})" if decided.version else "declined"
        return f"{what}: {decided.verdict.reasons[0]}"

    def _reference_digest(self) -> str:
        path = self._stage.data_root / "reference" / "tests" / "v1" / "test_reference.parquet"
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def _defaults(self) -> str:
        text = (self._stage.config_root / "active_config.yaml").read_text(encoding="utf-8")
        return next(line.split(":")[1].strip() for line in text.splitlines() if "model_version:" in line)


def _as_wished(run: Run, end: State, verdict: Callable[[Run], str]) -> Run:
    if run.state is not end:
        why = run.failure.message if run.failure else verdict(run)
        raise NeverRetry("demo", f"run {run.run_id} ended {run.state} and not {end}: {why}")
    return run


def _versions(run: Run) -> str:
    triple = present(run.record.triple).model_dump()
    return ", ".join(f"{name.removesuffix('_version')} {number}" for name, number in triple.items())
