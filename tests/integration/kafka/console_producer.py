"""Kafka's own console producer, as a program on disk: the broker's jars and one more, fetched as they are."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Final

from service.embedded import broker_runtime, jars
from service.embedded.cache import cache_folder, one_at_a_time
from service.embedded.kafka import _train

_LIST: Final = Path(__file__).with_name("console_producer_jars.txt")
_CLASS: Final = "org.apache.kafka.tools.ConsoleProducer"


def install_console_producer(folder: Path) -> Path:
    """Write a script that does what `kafka-console-producer.sh` does; return where it is."""
    runtime = broker_runtime.prepare(_train, print)
    with one_at_a_time(cache_folder() / "console-producer"):
        more = jars.ensure(jars.read_list(_LIST), cache_folder() / "console-producer")
    runtime = replace(runtime, class_path=(*runtime.class_path, *more))
    script = folder / "kafka-console-producer"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(runtime.java(_CLASS, heap="96m"))} "$@"\n')
    script.chmod(0o755)
    return script
