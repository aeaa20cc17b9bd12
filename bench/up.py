"""What `laurel up` starts, on free ports: says "ready", and lives until SIGTERM."""

import signal
import sys
from pathlib import Path

from service.local.demo.stage import Stage
from service.local.laurel import LocalLaurel, LocalOptions
from service.local.servers.ports import free_port
from service.local.servers.stack import Ports


def main() -> None:
    """Look after the Ames example."""
    home = Path(sys.argv[1])
    stage = Stage((home / "example").absolute())
    if not stage.config_root.exists():
        stage.set_up()
        stage.deliver_all_sales()
    options = LocalOptions(
        folder=home / "servers",
        environment={
            "CONFIG_ROOT": str(stage.config_root),
            "DATA_ROOT": str(stage.data_root),
            "MLFLOW_EXPERIMENT": "ames",
            "MLFLOW_MODEL_NAME": "ames_price",
        },
        ports=Ports.free(),
        worker_port=free_port(),
        listener_port=free_port(),
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with LocalLaurel(options, lambda *_: None):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    main()
