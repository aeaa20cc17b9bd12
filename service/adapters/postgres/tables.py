r"""The tables as the queries see them; the migrations make them, and a test holds both together.

JSON is kept as text: jsonb would reorder keys, respell numbers, and refuse \u0000, which a request may hold.
"""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, MetaData, Table, Text

# A schema of our own: MLflow, often in the same database, has tables of the same names.
SCHEMA: Final = "laurel"
metadata = MetaData(schema=SCHEMA)

_ID: Final = Text(collation="C")  # so that a prefix of an id is found by the index
_Kind = type[BigInteger | Boolean | Integer | Text] | DateTime | Text
_TIME: Final = DateTime(timezone=True)


def _must(name: str, kind: _Kind = Text) -> Column[object]:
    return Column(name, kind, nullable=False)


def _may(name: str, kind: _Kind = Text) -> Column[object]:
    return Column(name, kind, nullable=True)


runs = Table(
    "runs",
    metadata,
    Column("run_id", _ID, primary_key=True),
    _must("number", BigInteger),  # the order of arrival
    _must("model_name"),
    _must("identity"),
    _must("identity_digest"),  # sha256, for an identity may be longer than an index takes
    _must("payload"),
    _must("correlation_id"),
    _may("causation_id"),
    _may("coordinates"),
    _must("state"),
    _must("ended", Boolean),  # the database derives it from the state
    _must("transitions", Integer),  # how many rows of history there are
    _must("fence", BigInteger),
    _may("owner"),
    _may("claim_id"),
    _may("lease_until", _TIME),
    _must("attempts", Integer),
    _may("not_before", _TIME),
    _may("mlflow_run_id"),
    _may("failure"),
    _may("waiting_on"),
    _may("waiting_since", _TIME),
    _must("requested_at", _TIME),
    _must("updated_at", _TIME),
    _may("pictures_done_at", _TIME),
    _may("status_done_at", _TIME),
)

run_outputs = Table(
    "run_outputs",
    metadata,
    Column("run_id", _ID, primary_key=True),
    Column("name", Text, primary_key=True),
    _must("output"),
)

run_transitions = Table(
    "run_transitions",
    metadata,
    Column("run_id", _ID, primary_key=True),
    Column("seq", Integer, primary_key=True),
    _must("from_state"),
    _must("to_state"),
    _must("outcome"),
    _must("fence", BigInteger),
    _must("at", _TIME),
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", BigInteger, primary_key=True),
    _must("event_id"),
    _may("run_id", _ID),
    _must("topic"),
    _must("key"),
    _may("generation", BigInteger),  # of a `model.promoted`: what is here is announced
    _must("headers"),
    _must("body"),
    _must("created_at", _TIME),
    _may("sent_at", _TIME),
)

promotion_ledger = Table(
    "promotion_ledger",
    metadata,
    Column("model_name", Text, primary_key=True),
    Column("generation", BigInteger, primary_key=True),
    _must("version", BigInteger),
    _must("cause"),
    _must("previous_hash"),
    _must("hash"),
    _must("content"),  # the entry's canonical JSON: sha256 over these very bytes is the hash
    _may("model_digest"),  # beside the sealed text, which Laurel 0.1.0 has to read
    _must("recorded_at", _TIME),
    _must("since", _TIME),  # when it began to reign: a trigger writes it
)

champion_losses = Table(
    "champion_losses",
    metadata,
    Column("model_name", Text, primary_key=True),
    Column("generation", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),  # a version that came back may be lost again
    _must("noticed_at", _TIME),
    _may("ended_at", _TIME),
)

ledger_identity = Table(
    "ledger_identity",
    metadata,
    Column("only_one", Boolean, primary_key=True),
    _must("id"),
)

promotion_holds = Table(
    "promotion_holds",
    metadata,
    Column("hold_id", Text, primary_key=True),
    _must("model_name"),
    _must("content"),
    _may("until", _TIME),
    _must("begun_at", _TIME),
    _may("ended_at", _TIME),
    _may("ending_id"),
    _may("ending"),
)

quarantines = Table(
    "quarantines",
    metadata,
    Column("model_name", Text, primary_key=True),
    Column("generation", BigInteger, primary_key=True),  # that was rolled away from
    Column("by_generation", BigInteger, primary_key=True),
    _may("recipe"),  # versions and training data in one word, by which the ledger's trigger compares
    _must("content"),
    _must("recorded_at", _TIME),
    _may("lift_id"),
    _may("lift"),
    _may("lifted_at", _TIME),
)

first_uses = Table(
    "first_uses",
    metadata,
    Column("model_name", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    _must("digest"),
    _must("run_id", _ID),
    _must("used_at", _TIME),
)

alias_writes = Table(
    "alias_writes",
    metadata,
    Column("number", BigInteger, primary_key=True),
    _must("token"),  # the caller's own name for the record, by which a repeat finds it
    _must("model_name"),
    _must("version", BigInteger),
    _must("writer"),
    _must("opened_at", _TIME),
    _may("closed_at", _TIME),
)

asked_requests = Table(
    "asked_requests",
    metadata,
    Column("model_name", Text, primary_key=True),
    Column("request_id", _ID, primary_key=True),
    _must("identity_digest"),  # that of the run that it becomes
    _must("payload"),
    _must("door"),
    _must("asked_by"),
    _must("asked_at", _TIME),
    _may("unclear_at", _TIME),  # Kafka did not answer: perhaps it has it
    _may("acknowledged_at", _TIME),  # Kafka has it
)

# What lists show of each request, and how many have ended; triggers write both.
listed_requests = Table(
    "listed_requests",
    metadata,
    Column("model_name", Text, primary_key=True),
    Column("asked_at", _TIME, primary_key=True),
    Column("request_id", _ID, primary_key=True),
    Column("door", Text, primary_key=True),
    _may("run_id", _ID),  # once a worker has read it
    _may("end_state"),
    _may("ended_at", _TIME),
    _may("pruned_at", _TIME),  # what its steps left is gone, but for the verdict
)

listed_counts = Table(
    "listed_counts",
    metadata,
    Column("model_name", Text, primary_key=True),
    Column("door", Text, primary_key=True),
    Column("end_state", Text, primary_key=True),
    _must("requests", BigInteger),
)

variables = Table(
    "variables",
    metadata,
    Column("model_name", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    _must("value"),
    _may("description"),
    _must("updated_at", _TIME),
)

remotes = Table(
    "remotes",
    metadata,
    Column("model_name", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    _must("remote_id"),
    _must("first_used_at", _TIME),
    _may("marked_at", _TIME),
)

notifications = Table(
    "notifications",
    metadata,
    Column("model_name", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("channel", Text, primary_key=True),  # a digest: its address may hold a secret
    _must("claim_id"),  # only who claimed it changes it
    _must("tries", Integer),
    _must("begun_at", _TIME),  # the latest try
    _may("sent_at", _TIME),
    _may("given_up_at", _TIME),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("process_id", Text, primary_key=True),
    _must("role"),
    _must("name"),  # of a worker: the owner in `runs`
    _must("model_name"),
    _must("host"),
    _must("pid", Integer),
    _must("laurel_version"),
    _must("started_at", _TIME),
    _must("beat_at", _TIME),
)
