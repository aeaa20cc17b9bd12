"""Where DVC keeps things: a remote's address, without what only its client may know, and objects."""

from pathlib import Path
from urllib.parse import unquote, urlsplit


def absolute(url: str) -> str:
    """Write a folder down so that it means the same in every process; DVC itself misreads `file://`."""
    parts = urlsplit(url)
    if parts.scheme in {"", "file"}:
        return str(Path(unquote(parts.path) if parts.scheme else url).absolute())
    return url


def shown(url: str) -> str:
    """The remote's address for people: without user, password and what may be a signature."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def identity(url: str) -> str:
    """What identifies a remote: another password does not make another remote."""
    return shown(absolute(url)).rstrip("/")


def objects_below(store: Path) -> Path:
    """The folder of a cache, or of a remote that is a folder, in which the objects are."""
    return store / "files" / "md5"


def object_in(store: Path, oid: str) -> Path:
    """The file of one object."""
    return objects_below(store) / oid[:2] / oid[2:]
