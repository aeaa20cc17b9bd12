"""Settings turned into the values that adapters take: they know the values, never the settings."""

import socket
import ssl
from pathlib import Path

from config.settings import Settings
from domain.fit_threads import ThreadShare
from domain.promotion_checks import PromotionPolicy
from service.adapters.kafka.connection import UNPACKED_BYTES, KafkaConnection
from service.adapters.mlflow.access import MlflowAccess, library_environment
from service.adapters.tls.trust import Trust, no_trust, shared_variables
from service.processes.child_settings import ForkSettings
from service.processes.machine import processors
from service.runtime.retry import RetryPolicy
from service.runtime.secret_mask import Mask


def kafka_connection(settings: Settings) -> KafkaConnection:
    """Say how to reach the brokers."""
    kafka = settings.kafka
    return KafkaConnection(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        protocol=kafka.security_protocol,
        mechanism=kafka.sasl_mechanism or "SCRAM-SHA-512",
        username=kafka.sasl_username,
        password=kafka.sasl_password.get_secret_value() if kafka.sasl_password else None,
        ca_file=_text(kafka.ca_file),
        client_cert_file=_text(kafka.client_cert_file),
        client_key_file=_text(kafka.client_key_file),
        request_seconds=max(15.0, 1.5 * kafka.session_timeout_seconds),
    )


def kafka_unpacked_bytes(settings: Settings) -> int:
    """Bound what a batch may become in memory; a request or event just over its limit still comes whole."""
    kafka = settings.kafka
    return max(UNPACKED_BYTES, 2 * kafka.max_request_bytes, 2 * kafka.max_event_bytes)


def mlflow_access(settings: Settings) -> MlflowAccess:
    """Say how to reach MLflow."""
    return MlflowAccess(settings.mlflow_tracking_uri, **settings.mlflow.for_client())


def replica_tls(settings: Settings) -> ssl.SSLContext:
    """Say whom the reload listener trusts at its inference servers. Raises Stop for an unusable file.

    Nobody's certificates are read where every address is plain http and no setting names any.
    """
    files = settings.reload
    own = Trust("RELOAD", _text(files.ca_file), _text(files.client_cert_file), _text(files.client_key_file))
    plain = all(address.startswith("http://") for address in settings.inference_servers)
    return no_trust() if plain and own == Trust(own.group) else own.context()


def require_usable_trust(settings: Settings) -> None:
    """Read every file of certificates before anything is waited for. Raises Stop `ca_unusable`."""
    kafka_connection(settings).options()
    mlflow_access(settings).tls_context()
    replica_tls(settings)


def promotion_policy(settings: Settings) -> PromotionPolicy:
    """Give the policy that the gate applies."""
    return PromotionPolicy(metric=settings.gate.metric, minimum_effect=settings.gate.minimum_effect)


def retry_policy(settings: Settings) -> RetryPolicy:
    """Say how long to wait for what is away."""
    worker = settings.worker
    return RetryPolicy(
        first_pause=worker.retry_seconds,
        longest_pause=worker.retry_seconds_max,
        budget=worker.wait_budget_seconds,
        max_attempts=worker.max_attempts,
    )


def children_settings(settings: Settings) -> ForkSettings:
    """Say how children start: with the threads that this worker was given, and warm."""
    child = settings.child
    return ForkSettings(
        warm_up="service.lifecycle.steps.warm_up_job:warm_up",
        warm_up_arguments={"also": ["service.lifecycle.steps.version_job:warm_up"]},
        omp_threads=child.threads or 1,
        polars_threads=child.polars_threads,
        environment={**library_environment(mlflow_access(settings)), **shared_variables()},
    )


def thread_share(settings: Settings) -> ThreadShare:
    """Say how many threads one fit gets: those that are set, or its share of this worker's processors."""
    if settings.child.threads is not None:
        return ThreadShare(settings.child.threads, is_set=True)
    return ThreadShare(max(1, processors() // settings.worker.concurrent_lifecycles))


def database_seconds(settings: Settings) -> float:
    """Bound every call to the run store well below the lease."""
    return min(5.0, settings.worker.lease_seconds / 4)


def worker_name(settings: Settings) -> str:
    """The name that a worker wants: a stable one gets its own lease back at once after a restart."""
    return settings.worker.id or socket.gethostname()


def _text(file: Path | None) -> str | None:
    return str(file) if file else None


def mask_of(settings: Settings) -> Mask:
    """Know every secret, so that none is written anywhere."""
    held = (
        settings.inference_internal_token,
        settings.kafka.sasl_password,
        settings.mlflow.password,
        settings.mlflow.token,
        settings.api.basic_password,
        *settings.api.tokens.values(),
        *settings.notifier.urls,
    )
    secrets = [secret.get_secret_value() for secret in held if secret is not None]
    password = settings.database_password
    return Mask([*secrets, *([password] if password else [])])
