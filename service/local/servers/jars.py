"""The broker's jars: fetched by Maven coordinate, each checked against the SHA-256 in our own list."""

import hashlib
import ssl
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from service.adapters.tls.trust import bundle_for_requests
from service.local.servers import wheels
from service.local.servers.errors import EmbeddedServerError

LIST = Path(__file__).with_name("kafka_jars.txt")
_TRIES = 3
_PARALLEL = 8
_TIMEOUT_SECONDS = 20
_LONGEST = 200


@dataclass(frozen=True)
class Jar:
    """One line of the list."""

    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        """As Maven names it: artifact-version.jar."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


Download = Callable[[Jar, Path], Path]  # into a folder of its own


def read_list(path: Path = LIST) -> tuple[Jar, ...]:
    """The jars in the order of the list, which is the order of the class path."""
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return tuple(Jar(*line.split()) for line in lines)


def ensure(jars: tuple[Jar, ...], folder: Path, download: Download | None = None) -> list[Path]:
    """Paths of all ``jars`` in ``folder``, fetching what is absent or not what the list says.

    Raises:
        EmbeddedServerError: a jar cannot be had, or what was fetched has another digest.
    """
    wheels.folder("jgo")
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / jar.file_name for jar in jars]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        is_here = list(pool.map(_is_here, jars, paths))
        missing = [
            jar_and_path
            for jar_and_path, here in zip(zip(jars, paths, strict=True), is_here, strict=True)
            if not here
        ]
        if missing:
            with bundle_for_requests(folder):
                _fetch_all(pool, missing, download or _from_central)
    return paths


def _is_here(jar: Jar, path: Path) -> bool:
    return path.exists() and _digest(path) == jar.sha256


def _fetch_all(pool: ThreadPoolExecutor, missing: list[tuple[Jar, Path]], download: Download) -> None:
    """Fetch them side by side; what fails for one would fail for the others, so the first failure ends it."""
    fetching = [pool.submit(_fetch, jar, path, download) for jar, path in missing]
    try:
        for each in as_completed(fetching):
            each.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _fetch(jar: Jar, path: Path, download: Download) -> None:
    for left in reversed(range(_TRIES)):
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetch-") as scratch:
            try:
                fetched = download(jar, Path(scratch))
            except Exception as error:
                untrusted = _untrusted(error)
                if left and not untrusted:
                    continue
                raise EmbeddedServerError(
                    f"cannot fetch {jar.coordinate} from Maven Central: {untrusted or _unreached(error)}"
                ) from error
            _accept(jar, fetched, path)
            return


def _untrusted(error: BaseException) -> str:
    """What is wrong with the certificate that was shown, and what to do; empty if that is not why."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted ({cause.verify_message}); if a company's proxy shows "
                "its own, name the company's CA, a file in PEM format, in SSL_CERT_FILE"
            )
    return ""


def _unreached(error: BaseException) -> str:
    """What the network said, in its innermost words."""
    *_, innermost = _causes(error)
    said = " ".join(str(innermost).split()) or type(innermost).__name__
    return f"is the network reachable, and does it need HTTPS_PROXY? ({said[:_LONGEST]})"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and why it came, as far as that is known; some libraries put it into the arguments."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        told = next((one for one in cause.args if isinstance(one, BaseException)), None)
        cause = cause.__cause__ or cause.__context__ or told


def _from_central(jar: Jar, scratch: Path) -> Path:
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - only the first start needs it

    context = MavenContext(resolver=PythonResolver(), repo_cache=scratch, timeout=_TIMEOUT_SECONDS)
    group, artifact, version = jar.coordinate.split(":")
    fetched: Path = context.project(group, artifact).at_version(version).artifact().resolve()
    return fetched


def _accept(jar: Jar, fetched: Path, path: Path) -> None:
    if (digest := _digest(fetched)) != jar.sha256:
        message = (
            f"{jar.coordinate} has SHA-256 {digest} where {LIST.name} says {jar.sha256}; it was not kept"
        )
        raise EmbeddedServerError(message)
    fetched.replace(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
