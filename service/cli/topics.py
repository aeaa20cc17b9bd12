"""`laurel topics`: what a deployment makes once on its broker."""

import typer

from config.needs import KAFKA
from service.cli.console import AsJson, print_json, say
from service.cli.lazy import Group
from service.cli.reading import read_settings, run

app = typer.Typer(cls=Group, help="Kafka topics.", no_args_is_help=True, add_completion=False)


@app.callback()
def topics() -> None:
    """Kafka topics."""


@app.command("ensure")
def ensure(*, as_json: AsJson = False) -> None:
    """Make the topics that are missing; existing ones stay as they are."""
    from config.topics import TOPICS
    from service.adapters.kafka.topic_provisioning import ensure_topics
    from service.lifecycle.settings_values import kafka_connection

    settings = read_settings(KAFKA, model=False)
    kafka = settings.kafka
    made = run(
        ensure_topics(
            kafka_connection(settings),
            TOPICS,
            partitions=kafka.partitions,
            replication=kafka.replication_factor,
        ),
        settings,
    )
    if as_json:
        print_json({"made": made, "topics": list(TOPICS)})
    else:
        say(f"created: {', '.join(made)}" if made else f"all {len(TOPICS)} topics exist already")
