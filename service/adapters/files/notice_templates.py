"""A folder of one's own wording: a file `promoted.txt`, `failed.txt` … for each subject that has one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from domain.errors import Stop
from domain.notice_subjects import SUBJECTS, Subject
from domain.notices import NoticeTemplate
from domain.wording import byte_count
from service.adapters.files.errors import read_small

_LARGEST: Final = 16_384
_ENDING: Final = ".txt"
_FILES: Final[Mapping[str, Subject]] = {f"{subject}{_ENDING}": subject for subject in SUBJECTS}


def read_templates(folder: Path) -> dict[Subject, NoticeTemplate]:
    """Read every template of a folder; other files in it are left alone.

    Raises Stop `template_unusable` with the file, what is wrong and what is allowed; TryLater.
    """
    try:
        names = sorted(path.name for path in folder.iterdir() if path.suffix == _ENDING)
    except OSError as error:
        raise _unusable(f"NOTIFIER__TEMPLATES_FOLDER: {folder}: {error.strerror}") from None
    strange = [name for name in names if name not in _FILES]
    if strange:
        raise _unusable(f"{folder / strange[0]}: no subject has that name; allowed: {', '.join(_FILES)}")
    return {_FILES[name]: _read(folder / name, _FILES[name]) for name in names}


def _read(path: Path, subject: Subject) -> NoticeTemplate:
    content = read_small(path, _LARGEST)
    if content is None or len(content) > _LARGEST:
        raise _unusable(f"{path}: is not a regular file of at most {byte_count(_LARGEST)}")
    try:
        return NoticeTemplate.read(subject, content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _unusable(f"{path}: is not UTF-8 at byte {error.start}") from None
    except ValueError as error:
        raise _unusable(f"{path}: {error}") from None


def _unusable(message: str) -> Stop:
    return Stop("template_unusable", message)
