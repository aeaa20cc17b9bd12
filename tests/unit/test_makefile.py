"""What `make` does around the commands that it calls: how it ends, and what it says."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.alert_rules import ROOT

_STORY = """\
#!{python}
import sys, time
try:
    print("1. begun", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("ended; nothing is left running", flush=True)
    sys.exit(130)
"""
# `make test` runs these tests too: a make that knows of an outer one names its folder.
_TERMINAL = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def test_a_demo_that_is_interrupted_ends_without_a_word_of_make(tmp_path: Path) -> None:
    """As in a terminal: Ctrl-C reaches make, its shell and the demo at once."""
    with subprocess.Popen(  # noqa: S603 - ours
        _demo(tmp_path, _STORY.format(python=sys.executable)),
        cwd=ROOT,
        env=_TERMINAL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as make:
        assert make.stdout is not None
        assert make.stdout.readline() == "1. begun\n"
        os.killpg(make.pid, signal.SIGINT)
        assert make.stdout.read() == "ended; nothing is left running\n"


def test_a_demo_that_fails_is_an_error_of_make(tmp_path: Path) -> None:
    failed = subprocess.run(  # noqa: S603 - ours
        _demo(tmp_path, "#!/bin/sh\nexit 3\n"),
        cwd=ROOT,
        env=_TERMINAL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode != 0


def _demo(folder: Path, program: str) -> tuple[str, ...]:
    """Make the demo with a `laurel` of ours, and a stamp that says that everything is installed."""
    laurel, stamp = folder / "laurel", folder / "stamp"
    laurel.write_text(program)
    laurel.chmod(0o755)
    stamp.touch()
    return ("make", "demo", f"BIN={folder}", f"LOCAL_STAMP={stamp}", "-o", str(stamp))


@pytest.mark.parametrize(
    ("given", "pip"), [({"SSL_CERT_FILE": "/etc/company.pem"}, "/etc/company.pem"), ({}, "")]
)
def test_pip_trusts_whom_the_usual_variable_names(given: dict[str, str], pip: str, tmp_path: Path) -> None:
    more = tmp_path / "more.mk"
    more.write_text("told:\n\t@echo $$PIP_CERT\n")
    told = subprocess.run(  # noqa: S603 - ours
        ("make", "-f", "Makefile", "-f", str(more), "told"),  # noqa: S607
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == pip


def test_without_the_network_the_tests_say_so_in_one_sentence_before_they_begin(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(tmp_path)}
    environment |= dict.fromkeys(("HTTPS_PROXY", "https_proxy"), "http://127.0.0.1:1")
    ended = subprocess.run(
        (sys.executable, "-m", "tests.kit.downloads"),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    (said,) = ended.stderr.splitlines()
    assert said.startswith("the tests cannot begin: cannot fetch ")
    assert "is the network reachable" in said
