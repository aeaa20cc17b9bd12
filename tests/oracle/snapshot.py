"""One snapshot of a world: offsets first, rows after them, then what the rows are compared with."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.oracle.database import read_database
from tests.oracle.disk import read_files, read_parts
from tests.oracle.facts import Commit, Did, Record, Sent, World
from tests.oracle.reading import REQUEST_TOPIC
from tests.oracle.registry import read_registry
from tests.oracle.topics import committed, end_offsets, read_topics
from tests.oracle.where import Where


@dataclass
class Witness:
    """What only the test can know: what it sent and did, and what it saw on the way."""

    sent: list[Sent] = field(default_factory=list)
    did: Did = field(default_factory=Did)
    live: list[Record] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    active: list[bytes] = field(default_factory=list)
    outputs: dict[str, bytes] = field(default_factory=dict)
    canaries: tuple[str, ...] = ()
    earlier: list[World] = field(default_factory=list)
    rescored: dict[tuple[int, str], dict[str, float]] = field(default_factory=dict)


async def snapshot(where: Where, witness: Witness, key_columns: tuple[str, ...] = ()) -> World:
    """Look at everything."""
    witness.commits += await committed(where.bootstrap_servers, where.group, REQUEST_TOPIC)
    ends = await end_offsets(where.bootstrap_servers, [REQUEST_TOPIC])
    rows = await asyncio.to_thread(read_database, where.database_url, where.model_name)
    late = await read_topics(where.bootstrap_servers, where.starts)
    registry = await read_registry(where.tracking_uri, where.experiment, where.model_name)
    files, temporaries = await asyncio.to_thread(read_files, where.config_root, where.data_root)
    active = (Path(where.config_root) / "active_config.yaml").read_bytes()
    return World(
        where.model_name,
        **rows,
        **registry,
        sent=tuple(witness.sent),
        late=_ours(late, where),
        live=_ours(witness.live, where),
        commits=tuple(witness.commits),
        ends={place[1]: end for place, end in ends.items()},
        files=files,
        temporaries=temporaries,
        parts=await asyncio.to_thread(read_parts, rows["runs"], key_columns),
        active=(*witness.active, active),
        outputs=witness.outputs,
        canaries=witness.canaries,
        config_root=where.config_root,
        data_root=where.data_root,
        did=witness.did,
        earlier=tuple(witness.earlier),
        rescored=witness.rescored,
    )


async def glance(where: Where, witness: Witness) -> World:
    """Look at the rows alone: enough to see later that nothing of them has changed that must not."""
    rows = await asyncio.to_thread(read_database, where.database_url, where.model_name)
    return replace(World(where.model_name, did=witness.did), **rows)


def _ours(records: list[Record] | tuple[Record, ...], where: Where) -> tuple[Record, ...]:
    """Events of this world's model; dead letters have the key that their original had, so all count."""
    key = where.model_name.encode()
    return tuple(one for one in records if one.key == key or one.topic.endswith(".dlq"))
