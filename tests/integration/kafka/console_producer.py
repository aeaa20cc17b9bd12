"""Kafka's own console producer, as a program on disk: the broker's jars and one more, fetched as they are."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Final

from service.local.servers import broker_runtime, jars
from service.local.servers.broker_runtime import cache_folder, one_at_a_time
from service.local.servers.kafka import _train

FOLDER: Final = "console-producer"  # in the user's cache
LIST: Final = Path(__file__).with_name("console_producer_jars.txt")
_CLASS: Final = "org.apache.kafka.tools.ConsoleProducer"


def install_console_producer(folder: Path) -> Path:
    """Write a script that does what `kafka-console-producer.sh` does; return where it is."""
    runtime = broker_runtime.prepare(_train, print)
    with one_at_a_time(cache_folder() / FOLDER):
        more = jars.ensure(jars.read_list(LIST), cache_folder() / FOLDER)
    runtime = replace(runtime, class_path=(*runtime.class_path, *more))
    script = folder / "kafka-console-producer"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(runtime.java(_CLASS, heap="96m"))} "$@"\n')
    script.chmod(0o755)
    return script
