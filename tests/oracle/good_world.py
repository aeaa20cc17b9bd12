"""A small world at rest in which every promise is kept, made by hand: what the oracle's own tests break."""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from tests.oracle.facts import (
    Commit,
    Coordinates,
    FirstUse,
    Kind,
    LedgerRow,
    OutboxRow,
    Record,
    RegisteredVersion,
    RunRow,
    Sent,
    TrackedRun,
    Transition,
    World,
)
from tests.oracle.reading import (
    DEAD_LETTER_TOPIC,
    REQUEST_TOPIC,
    canonical,
    generation_event_id,
    replica_event_id,
    run_event_id,
    sha256,
)

MODEL = "price"
STATES = ("REQUESTED", "RESOLVED", "SPLIT", "VERSIONED", "TRAINED", "EVALUATED")
REFERENCE, DATA, CONFIG = "a" * 64, "/data", "/config"
TRIPLE = {"feature_version": 1, "model_version": 1, "split_version": 1}
ACTIVE = (
    b"# ours\ntraining_defaults:\n  feature_version: 1\n  model_version: 1\n  split_version: 1\nmore: yes\n"
)
FATES = {"train": 25, "reference": 10, "tests": 2, "unused": {"no_period": 3}}
DIGESTS = {"data_contracts": "1" * 64, "splits": "2" * 64, "features": "3" * 64, "models": "4" * 64}


def request(offset: int, text: str) -> Record:
    """A plain JSON request."""
    return Record(Coordinates(REQUEST_TOPIC, 0, offset, 1000 + offset), None, (), text.encode())


def outputs(number: int) -> dict[str, Any]:
    """What the steps of run `number` left."""
    folder = f"{DATA}/runs/r{number}"
    return {
        "resolve": {
            "triple": TRIPLE,
            "contract": {"version": 1},
            "model": {"model": {"type": "ridge", "params": {"alpha": 1.0}}},
            "digests": DIGESTS,
        },
        "split": {
            "master": {"path": f"{DATA}/processed/master.parquet", "sha256": "9" * 64, "rows": 40},
            "train": {"path": f"{folder}/train.parquet", "sha256": "b" * 64, "rows": 25},
            "reference": {
                "path": f"{DATA}/reference/tests/v1/test_reference.parquet",
                "sha256": REFERENCE,
                "rows": 10,
            },
            "optional_tests": {},
            "reference_created": number == 1,
            "statistics": {"fates": FATES},
        },
    }


def history(run_id: str, *ends: str) -> list[Transition]:
    """The way through all states to `ends`."""
    way = (*STATES, *ends)
    return [
        Transition(run_id, seq, before, after, fence=1)
        for seq, (before, after) in enumerate(pairwise(way), start=1)
    ]


def generation_id(generation: int) -> str:
    """The id of the event of a generation without a run."""
    return generation_event_id(MODEL, generation)


def score(rmsle: float, digest: str = REFERENCE) -> dict[str, Any]:
    """A score as the ledger keeps it."""
    return {"metrics": {"rmsle": rmsle}, "dataset_digest": digest, "rows": 10}


def entry(generation: int, before: LedgerRow | None, **facts: Any) -> LedgerRow:
    """A sealed entry of the ledger."""
    content = {
        "model_name": MODEL,
        "generation": generation,
        "version": generation,
        "cause": "gate",
        "previous_hash": before.hash if before else "0" * 64,
        "previous_version": before.version if before else None,
        "run_id": f"r{generation}",
        "triple": TRIPLE,
        "candidate_score": score(0.5),
        "champion_score": None,
        "policy": {"name": "lower_is_better", "metric": "rmsle", "minimum_effect": 0.0},
        **facts,
    }
    text = canonical({name: value for name, value in content.items() if value is not None})
    return LedgerRow(
        generation,
        content["version"],
        content["cause"],
        content["previous_hash"],
        sha256(text.encode()),
        text,
    )


def two_generations() -> tuple[LedgerRow, LedgerRow]:
    """The first champion, and a better one."""
    first = entry(1, None)
    return first, entry(2, first, candidate_score=score(0.4), champion_score=score(0.5))


def _announcements(run_id: str, generation: int | None) -> list[tuple[str, str, dict[str, Any]]]:
    told: list[tuple[str, str, dict[str, Any]]] = [
        (run_event_id(run_id, "SPLIT", "VERSIONED"), "split.completed", {"fates": FATES}),
        (run_event_id(run_id, "TRAINED", "EVALUATED"), "model.evaluated", {}),
    ]
    if generation is None:
        return [*told, (run_event_id(run_id, "EVALUATED", "DECLINED"), "model.declined", {})]
    promoted = run_event_id(run_id, "PROMOTED", "COMPLETED")
    return [*told, (promoted, "model.promoted", {"generation": generation})]


def _outbox() -> list[OutboxRow]:
    rows: list[OutboxRow] = []
    for run_id, generation in (("r1", 1), ("r2", 2), ("r3", None)):
        for event_id, topic, body in _announcements(run_id, generation):
            headers, seq = {"ce_id": event_id}, len(rows) + 1
            text = json.dumps({"run_id": run_id, **body})
            rows.append(OutboxRow(seq, event_id, run_id, topic, MODEL, headers, text, sent=True))
    rejected = run_event_id("r4", "REQUESTED", "REJECTED")
    row = OutboxRow(99, rejected, "r4", "training.rejected", MODEL, {"ce_id": rejected}, "{}", sent=True)
    return [*rows, row, replica_report(2)]


def replica_report(generation: int) -> OutboxRow:
    """What the reload listener said of a replica and a generation, each its own version."""
    body = {"replica": "http://one:8000", "generation": generation, "version": generation}
    topic = "inference.reloaded"
    event_id = replica_event_id(MODEL, generation, str(body["replica"]), topic)
    headers = {"ce_id": event_id}
    return OutboxRow(100 + generation, event_id, None, topic, MODEL, headers, json.dumps(body), sent=True)


def published(row: OutboxRow) -> Record:
    """The record that an outbox row becomes."""
    headers = tuple((name, value.encode()) for name, value in row.headers.items())
    place = Coordinates(row.topic, 0, row.seq, 5000 + row.seq)
    return Record(place, row.key.encode(), headers, row.body.encode())


def dead_letter(of: Record) -> Record:
    """The dead letter of a record."""
    place = dict(zip(("topic", "partition", "offset", "timestamp"), of.coordinates, strict=True))
    headers = tuple((f"laurel-original-{name}", str(value).encode()) for name, value in place.items())
    return Record(Coordinates(DEAD_LETTER_TOPIC, 0, 0, 9000), of.key, headers, of.value)


def _row(number: int, state: str, record: Record, more: Mapping[str, Any]) -> RunRow:
    place = record.coordinates
    text = f"{place.topic}/{place.partition}/{place.offset}@{place.timestamp_ms}"
    return RunRow(
        f"r{number}", f"record:{text}", text, state, 1, f"m{number}", None, outputs(number) | {**more}
    )


def _tracked(number: int) -> TrackedRun:
    params = {name: str(value) for name, value in TRIPLE.items()} | {"model_type": "ridge", "alpha": "1.0"}
    return TrackedRun(f"m{number}", "FINISHED", params, {}, {"laurel.run_id": f"r{number}"})


def good_world() -> World:
    """Two promotions, a decline, a rejection, a bad record, and one of another model."""
    asked = [request(offset, "{}") for offset in range(4)]
    bad, foreign = request(4, "{"), request(5, '{"model_name": "other"}')
    rejected = RunRow("r4", "record:4", None, "REJECTED", 1, None, {"reason": "bad_version"}, {})
    place = asked[3].coordinates
    runs = (
        _row(1, "COMPLETED", asked[0], {"decide": {"version": 1}}),
        _row(2, "COMPLETED", asked[1], {"decide": {"version": 2}}),
        _row(3, "DECLINED", asked[2], {"decide": {"version": None}}),
        RunRow(**vars(rejected) | {"coordinates": f"{place.topic}/0/3@{place.timestamp_ms}"}),
    )
    outbox = tuple(_outbox())
    told = tuple(published(row) for row in outbox)
    return World(
        MODEL,
        sent=(
            *(Sent(record, Kind.VALID) for record in asked),
            Sent(bad, Kind.BAD),
            Sent(foreign, Kind.FOREIGN),
        ),
        runs=runs,
        history=(
            *history("r1", "PROMOTED", "COMPLETED"),
            *history("r2", "PROMOTED", "COMPLETED"),
            *history("r3", "DECLINED"),
            Transition("r4", 1, "REQUESTED", "REJECTED", 1),
        ),
        outbox=outbox,
        ledger=two_generations(),
        first_uses=(
            *(FirstUse(family, "v1", digest) for family, digest in DIGESTS.items()),
            FirstUse("reference", "v1", REFERENCE),
        ),
        live=told,
        late=(*told, dead_letter(bad)),
        commits=(Commit(0, 2), Commit(0, 6)),
        ends={0: 6},
        tracked=tuple(_tracked(number) for number in (1, 2, 3)),
        versions=tuple(
            RegisteredVersion(number, f"m{number}", {}, frozenset({"MLmodel"})) for number in (1, 2)
        ),
        alias=2,
        active=(ACTIVE,),
        files=_files(),
        parts={
            f"{DATA}/runs/r1/train.parquet": frozenset({"row 1"}),
            f"{DATA}/reference/tests/v1/test_reference.parquet": frozenset({"row 2"}),
        },
        config_root=CONFIG,
        data_root=DATA,
        canaries=("canary-7f",),
        outputs={"worker's log": b"nothing to see"},
    )


def _files() -> dict[str, str]:
    config = {f"{CONFIG}/{family}/v1.yaml": digest for family, digest in DIGESTS.items()}
    trained = {f"{DATA}/runs/r{number}/train.parquet": "b" * 64 for number in (1, 2, 3)}
    return {
        **config,
        **trained,
        f"{DATA}/splits/v1/train.parquet": "b" * 64,
        f"{DATA}/reference/tests/v1/test_reference.parquet": REFERENCE,
    }
