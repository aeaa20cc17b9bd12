"""`laurel topics` and `laurel db`: what a deployment prepares once."""

import typer

from config.topics import TOPICS
from service.adapters.kafka.topic_provisioning import ensure_topics
from service.adapters.postgres.schema import upgrade
from service.cli.console import AsJson, out, print_json, read_settings, run
from service.settings_values import kafka_connection

topics = typer.Typer(help="Kafka topics.", no_args_is_help=True)
database = typer.Typer(help="The run store's schema.", no_args_is_help=True)


@topics.command("ensure")
def ensure(*, as_json: AsJson = False) -> None:
    """Make the topics that are missing; existing ones stay as they are."""
    settings = read_settings()
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
        out.print(f"made: {', '.join(made) or 'nothing; all of them were there'}")


@database.command("upgrade")
def upgrade_schema(*, as_json: AsJson = False) -> None:
    """Bring the schema to the version that this Laurel needs. Safe beside others, and safe to repeat."""
    settings = read_settings()

    async def work() -> None:
        upgrade(settings.sqlalchemy_url)

    run(work(), settings)
    if as_json:
        print_json({"upgraded": True})
    else:
        out.print("the schema is up to date")
