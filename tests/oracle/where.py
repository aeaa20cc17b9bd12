"""Where the oracle looks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Partition = tuple[str, int]


@dataclass(frozen=True)
class Where:
    """Addresses and names of one world, none of them through a proxy.

    `database_url` is a plain postgresql:// address. `starts` are the offsets from which this world's topics
    count: what stands before belongs to others.
    """

    model_name: str
    experiment: str
    group: str
    bootstrap_servers: str
    database_url: str
    tracking_uri: str
    config_root: str
    data_root: str
    starts: Mapping[Partition, int] = field(default_factory=dict)
