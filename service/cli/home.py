"""What `laurel up` and `laurel demo` are asked alike: where they keep things, and which ports they take."""

from pathlib import Path
from typing import Annotated, Final

import typer

HOME: Final = Path(".laurel")
ENVIRONMENT: Final = "env"  # the file in there that other terminals read
MOST_REPLICAS: Final = 2
PORTS: Final = 7 + MOST_REPLICAS  # Kafka takes two

Home = Annotated[Path, typer.Option(help="Where servers, data and logs are kept.")]
PortBase = Annotated[
    int | None,
    typer.Option(
        envvar="PORT_BASE",
        min=1024,
        max=32767 - PORTS,
        metavar="N",
        help="Take the ports N and N+1 (Kafka), N+2 (PostgreSQL), N+3 (MLflow), N+4 (worker), N+5 (reload "
        "listener), N+6 and N+7 (inference), N+8 (HTTP API) instead of 19092, 19093, 15432, 15000 and 18080 "
        "to 18084.",
    ),
]
