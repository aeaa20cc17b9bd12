"""Warm children do what they are told, one task after another, and nobody outlives anybody.

Its cost: fork parents that start cold, each with the libraries that children need.
"""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from domain.errors import LeaseLost, NeverRetry, Stop, TryLater
from service.processes.child_settings import PRELOAD, ForkSettings
from service.processes.kernel import held_by
from service.processes.pool import Children, ChildSet
from tests.kit.eventually import eventually
from tests.kit.processes import alive, open_descriptors, started_by, stopped

pytestmark = pytest.mark.usefixtures("cold_starts")  # they are what this is about
_TASKS = "tests.integration.child_tasks"
_MEGABYTE = 1 << 20
_SLOW_TO_END = 40 * _MEGABYTE  # the kernel needs a while to end a process that holds so much
_BOTH = ("train", "side")


@asynccontextmanager
async def running(*, sets: int = 1, **settings: Any) -> AsyncIterator[Children]:
    """Children that preload nothing, unless told otherwise, and have no spare."""
    children = Children(ForkSettings(**{"preload": (), **settings}), sets=sets)
    await children.start()
    try:
        yield children
    finally:
        await children.stop()


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    async with running() as children:
        yield children


@pytest.fixture
async def leased(children: Children) -> AsyncIterator[ChildSet]:
    async with children.lease() as leased:
        yield leased


def task(name: str) -> str:
    return f"{_TASKS}:{name}"


def pids_in(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()] if path.exists() else []


async def busy(children: ChildSet, path: Path, **limits: Any) -> tuple[asyncio.Task[Any], list[int]]:
    """Have "train" work for ever with descendants; return the call and all their pids."""
    work = children.run("train", task("work_with_descendants"), started=str(path), **limits)
    call = asyncio.create_task(work)
    return call, await eventually(lambda: pids_in(path))


class TestTasks:
    async def test_a_task_gets_its_arguments_and_its_value_comes_back(self, leased: ChildSet) -> None:
        assert await leased.run("train", task("add"), left=2, right=3) == 5

    async def test_one_process_serves_every_task_of_a_name_and_another_the_other_name(
        self, leased: ChildSet
    ) -> None:
        train = {await leased.run("train", task("pid")) for _ in range(5)}
        side = {await leased.run("side", task("pid")) for _ in range(5)}
        assert (len(train), len(side)) == (1, 1)
        assert not {os.getpid(), *train} & side

    async def test_calls_for_one_child_queue_up_in_their_order(
        self, leased: ChildSet, tmp_path: Path
    ) -> None:
        gate, log = tmp_path / "gate", tmp_path / "log"
        first = asyncio.create_task(leased.run("train", task("wait_for"), path=str(gate)))
        calls = [leased.run("train", task("log"), path=str(log), text=str(n)) for n in range(10)]
        rest = asyncio.gather(*calls)
        await leased.run("side", task("write"), path=str(gate), size=0)  # the other name waits for nobody
        await asyncio.gather(first, rest)
        assert log.read_text().split() == [str(n) for n in range(10)]

    async def test_progress_is_delivered_before_the_value_and_in_order(self, leased: ChildSet) -> None:
        heard: list[Any] = []
        value = await leased.run("train", task("count_to"), last=3, on_progress=heard.append)
        assert (heard, value) == ([{"at": 1}, {"at": 2}, {"at": 3}], 3)

    async def test_a_child_runs_its_warm_up_before_any_task(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        async with running(**_logging_warm_up(log)) as children, children.lease() as leased:
            train = await leased.run("train", task("pid"))
            side = await leased.run("side", task("pid"))
            assert sorted(pids_in(log)) == sorted([train, side])

    async def test_threads_are_pinned_before_anything_is_imported(self) -> None:
        async with running(omp_threads=3) as children, children.lease() as leased:
            assert await leased.run("train", task("variable"), name="OMP_NUM_THREADS") == "3"

    async def test_native_pools_work_in_both_children_of_the_real_preload(self, tmp_path: Path) -> None:
        """What ran in the fork parent would hang here: a fit, a query and a `dvc add`, in both at once."""
        environment = {"MLFLOW_DISABLE_TELEMETRY": "true"}
        async with running(preload=PRELOAD, environment=environment) as children, children.lease() as leased:

            async def in_both(name: str, **arguments: Any) -> list[Any]:
                heavy = f"tests.integration.heavy_child_tasks:{name}"
                calls = (leased.run(child, heavy, timeout_seconds=60, **arguments) for child in _BOTH)
                return await asyncio.gather(*calls)

            assert [await leased.run(child, task("threads")) for child in _BOTH] == [1, 1]
            first, second = await in_both("fit")
            assert first == second
            assert await in_both("query", folder=str(tmp_path)) == [600, 600]
            assert await in_both("version", folder=str(tmp_path)) == ["4b3a6218bb3e3a7303e8a171a60fcf92"] * 2


class TestFailures:
    async def test_an_error_of_the_domain_comes_back_as_itself(self, leased: ChildSet) -> None:
        with pytest.raises(NeverRetry) as caught:
            await leased.run("train", task("raise_never_retry"))
        error = caught.value
        assert (error.reason, error.message, error.facts) == ("bad_rows", "three rows are bad", {"rows": 3})

    async def test_any_other_exception_is_never_retried_and_tells_type_and_text(
        self, leased: ChildSet
    ) -> None:
        with pytest.raises(NeverRetry, match="raised ValueError: too narrow") as caught:
            await leased.run("train", task("raise_value_error"), text="too narrow")
        assert caught.value.reason == "step_failed"
        assert "Traceback" not in caught.value.message

    async def test_credentials_in_an_address_do_not_leave_the_child(self, leased: ChildSet) -> None:
        with pytest.raises(NeverRetry) as caught:
            await leased.run("train", task("raise_value_error"), text="no postgres://me:hush@host/db")
        assert "hush" not in caught.value.message

    @pytest.mark.parametrize("name", ["leave", "not_plain", "not_picklable", "absent"])
    async def test_after_a_failed_task_the_same_child_goes_on(self, leased: ChildSet, name: str) -> None:
        before = await leased.run("train", task("pid"))
        with pytest.raises(NeverRetry) as caught:
            await leased.run("train", task(name))
        assert caught.value.reason == "step_failed"
        assert await leased.run("train", task("pid")) == before

    async def test_a_value_that_is_not_plain_is_named_and_not_imported_here(self, leased: ChildSet) -> None:
        with pytest.raises(NeverRetry, match=r"fractions\.Fraction"):
            await leased.run("train", task("not_plain"))

    async def test_more_memory_than_there_is_is_out_of_memory_and_the_child_lives(
        self, leased: ChildSet
    ) -> None:
        before = await leased.run("train", task("pid"))
        with pytest.raises(TryLater) as caught:
            await leased.run("train", task("want_everything"))
        assert caught.value.reason == "out_of_memory"
        assert await leased.run("train", task("pid")) == before

    @pytest.mark.parametrize(
        ("name", "arguments", "facts"),
        [
            ("die", {"number": 9}, {"signal": "SIGKILL"}),
            ("crash", {}, {"signal": "SIGSEGV"}),
            ("leave_at_once", {"code": 7}, {"exit_code": 7}),
        ],
    )
    async def test_a_death_is_told_with_its_signal_and_another_child_takes_over(
        self, leased: ChildSet, name: str, arguments: dict[str, Any], facts: dict[str, Any]
    ) -> None:
        before = await leased.run("train", task("pid"))
        with pytest.raises(TryLater) as caught:
            await leased.run("train", task(name), **arguments)
        assert caught.value.reason == "step_died"
        assert {key: caught.value.facts.get(key) for key in facts} == facts
        assert await leased.run("train", task("pid")) != before

    async def test_a_child_that_dies_idle_is_replaced_unasked(
        self, children: Children, leased: ChildSet
    ) -> None:
        before = children.pids()["0.train"]
        os.kill(before, signal.SIGKILL)
        after = await eventually(lambda: children.pids().get("0.train", before) not in {None, before})
        assert after
        assert await leased.run("train", task("pid")) == children.pids()["0.train"]

    async def test_the_fork_parents_death_ends_its_children_and_another_is_started(
        self, children: Children, leased: ChildSet, tmp_path: Path
    ) -> None:
        call, pids = await busy(leased, tmp_path / "started")
        before = children.pids()["fork_parent"]
        os.kill(before, signal.SIGKILL)
        with pytest.raises(TryLater) as caught:
            await call
        assert (caught.value.reason, caught.value.facts["signal"]) == ("step_died", "SIGKILL")
        apart = pids.pop(2)  # it left its group, and the one who would have adopted it is dead
        try:
            await eventually(lambda: not alive(pids))
        finally:
            os.kill(apart, signal.SIGKILL)
        assert await leased.run("train", task("add"), left=1, right=1) == 2
        assert children.pids()["fork_parent"] != before

    async def test_a_fork_parent_that_hangs_is_replaced(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("service.processes.warm_child._DYING_SECONDS", 0.2)
        async with running(ready_seconds=3.0) as children, children.lease() as leased:
            before = children.pids()
            os.kill(before["fork_parent"], signal.SIGSTOP)
            os.kill(before["0.train"], signal.SIGKILL)
            with pytest.raises(TryLater, match="died"):
                await leased.run("train", task("pid"))
            with pytest.raises(TryLater, match="no answer within 3 s"):
                await leased.run("train", task("pid"))
            assert await leased.run("train", task("add"), left=1, right=1) == 2
            await eventually(lambda: not alive(before.values()))


class TestLimits:
    async def test_at_its_time_limit_a_task_dies_with_all_its_descendants(
        self, leased: ChildSet, tmp_path: Path
    ) -> None:
        call, pids = await busy(leased, tmp_path / "started", timeout_seconds=2.0)
        with pytest.raises(TryLater) as caught:
            await call
        assert (caught.value.reason, caught.value.facts["signal"]) == ("step_timeout", "SIGKILL")
        await eventually(lambda: not alive(pids))

    async def test_a_stopped_child_dies_at_its_time_limit_too(self, leased: ChildSet, tmp_path: Path) -> None:
        path = tmp_path / "started"
        work = leased.run("train", task("work_for_ever"), started=str(path), timeout_seconds=2.0)
        call = asyncio.create_task(work)
        (pid,) = await eventually(lambda: pids_in(path))
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(TryLater, match="exceeded its time limit"):
            await call
        assert not alive([pid])

    async def test_a_limit_is_not_held_against_the_next_task(self, leased: ChildSet, tmp_path: Path) -> None:
        before = await leased.run("train", task("pid"), timeout_seconds=1.0, memory_bytes=1 << 40)
        gate = tmp_path / "gate"
        call = asyncio.create_task(leased.run("train", task("wait_for"), path=str(gate)))
        await asyncio.sleep(1.2)  # past the first task's limit
        gate.touch()
        await call
        assert await leased.run("train", task("pid")) == before

    @pytest.mark.parametrize("name", ["hold", "hold_in_grandchild"])
    async def test_over_its_memory_limit_a_task_dies_whoever_of_its_group_holds_it(
        self, leased: ChildSet, name: str
    ) -> None:
        limit = 200 * _MEGABYTE
        with pytest.raises(TryLater) as caught:
            await leased.run("train", task(name), size=300 * _MEGABYTE, memory_bytes=limit)
        assert (caught.value.reason, caught.value.facts["limit_bytes"]) == ("out_of_memory", limit)
        assert await leased.run("train", task("add"), left=1, right=1, memory_bytes=limit) == 2

    async def test_a_file_over_its_limit_is_refused_and_the_next_task_is_free(
        self, leased: ChildSet, tmp_path: Path
    ) -> None:
        path = tmp_path / "file"
        with pytest.raises(NeverRetry, match="File too large"):
            await leased.run("train", task("write"), path=str(path), size=2000, file_bytes=1000)
        await leased.run("train", task("write"), path=str(path), size=2000)
        assert path.stat().st_size == 2000

    async def test_a_child_that_keeps_too_much_is_replaced_after_its_task(self) -> None:
        async with running(recycle_bytes=100 * _MEGABYTE) as children, children.lease() as leased:
            before = await leased.run("train", task("pid"))
            await leased.run("train", task("keep"), size=150 * _MEGABYTE)
            await eventually(lambda: not alive([before]))
            assert await leased.run("train", task("pid")) != before

    async def test_work_ends_when_the_lease_does(self, leased: ChildSet, tmp_path: Path) -> None:
        call, pids = await busy(leased, tmp_path / "started")
        leased.hold_until(time.monotonic() + 0.1)
        with pytest.raises(LeaseLost) as caught:
            await call
        assert caught.value.reason == "lease_expired"
        await eventually(lambda: not alive(pids))

    async def test_a_renewed_lease_lets_work_go_on(self, leased: ChildSet, tmp_path: Path) -> None:
        gate = tmp_path / "gate"
        leased.hold_until(time.monotonic() + 1.0)
        call = asyncio.create_task(leased.run("train", task("wait_for"), path=str(gate)))
        await asyncio.sleep(0)  # the call is on its way
        leased.hold_until(time.monotonic() + 60)
        await asyncio.sleep(1.2)  # past the first lease
        gate.touch()
        assert await call == str(gate)


class TestCancellation:
    async def test_who_stops_waiting_leaves_no_process_at_work(
        self, leased: ChildSet, tmp_path: Path
    ) -> None:
        call, pids = await busy(leased, tmp_path / "started")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not alive(pids[:2])  # the child and its group were gone before the caller went on
        await eventually(lambda: not alive(pids))
        assert await leased.run("train", task("add"), left=1, right=1) == 2

    async def test_who_leaves_the_queue_disturbs_nobody(self, leased: ChildSet, tmp_path: Path) -> None:
        gate = tmp_path / "gate"
        working = asyncio.create_task(leased.run("train", task("wait_for"), path=str(gate)))
        waiting = asyncio.create_task(leased.run("train", task("pid")))
        await asyncio.sleep(0)
        waiting.cancel()
        gate.touch()
        assert await working == str(gate)

    async def test_a_cancelled_child_tells_its_caller(self, leased: ChildSet, tmp_path: Path) -> None:
        call, pids = await busy(leased, tmp_path / "started")
        await leased.cancel("train")
        with pytest.raises(TryLater) as caught:
            await call
        assert caught.value.reason == "step_cancelled"
        await eventually(lambda: not alive(pids))

    async def test_a_listener_that_fails_ends_the_task(self, leased: ChildSet) -> None:
        before = await leased.run("train", task("pid"))

        def refuse(_: Any) -> None:
            raise LookupError("nobody listens")

        with pytest.raises(LookupError, match="nobody listens"):
            await leased.run("train", task("count_to"), last=3, on_progress=refuse)
        assert await leased.run("train", task("pid")) != before


class TestSets:
    async def test_each_lifecycle_has_children_of_its_own_and_a_third_waits(self) -> None:
        async with running(sets=2) as children, children.lease() as one:
            async with children.lease() as other:
                pids = {await leased.run("train", task("pid")) for leased in (one, other)}
                assert len(pids) == 2
                entering = asyncio.create_task(self._train_pid(children))
                _, pending = await asyncio.wait({entering}, timeout=0.05)
                assert pending
            assert await entering in pids

    async def test_what_still_runs_when_a_set_is_given_back_is_killed(
        self, children: Children, tmp_path: Path
    ) -> None:
        async with children.lease() as leased:
            call, pids = await busy(leased, tmp_path / "started")
        with pytest.raises(TryLater, match="cancelled"):
            await call
        await eventually(lambda: not alive(pids))

    async def test_what_still_waits_when_a_set_is_given_back_is_refused(
        self, children: Children, tmp_path: Path
    ) -> None:
        async with children.lease() as leased:
            call, _ = await busy(leased, tmp_path / "started")
            waiting = asyncio.create_task(leased.run("train", task("pid")))
            await asyncio.sleep(0)
        outcomes = await asyncio.gather(call, waiting, return_exceptions=True)
        reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, TryLater)]
        assert reasons == ["step_cancelled", "step_cancelled"]

    async def _train_pid(self, children: Children) -> Any:
        async with children.lease() as leased:
            return await leased.run("train", task("pid"))


class TestStarting:
    async def test_a_module_that_is_missing_stops_the_worker_and_is_named(self) -> None:
        with pytest.raises(Stop, match="no_such_module"):
            async with running(preload=("no_such_module",)):
                pass

    async def test_a_module_that_starts_a_thread_stops_the_worker(self) -> None:
        with pytest.raises(Stop, match="started threads") as caught:
            async with running(preload=("tests.integration.preload_with_thread",)):
                pass
        assert caught.value.reason == "preload_failed"

    async def test_a_failing_warm_up_is_told_and_leaves_no_process(self) -> None:
        before = open_descriptors()
        with pytest.raises(TryLater, match=r"warm up.*ValueError: cold"):
            async with running(warm_up=task("raise_value_error"), warm_up_arguments={"text": "cold"}):
                pass
        await eventually(lambda: open_descriptors() == before)

    async def test_a_preload_that_does_not_end_is_given_up(self) -> None:
        with pytest.raises(TryLater, match="no answer within"):
            async with running(preload=("mlflow",), ready_seconds=0.05):
                pass

    async def test_stopping_ends_every_process_and_may_be_repeated(self) -> None:
        async with running() as children:
            pids = list(children.pids().values())
            assert len(alive(pids)) == 3
            await children.stop()
            assert not alive(pids)
            async with children.lease() as leased:
                with pytest.raises(TryLater, match="stopping"):
                    await leased.run("train", task("pid"))

    async def test_a_start_that_is_broken_off_twice_leaves_no_process(self) -> None:
        """A worker that cannot open cancels its warm-up and stops the children at the same moment."""
        children = Children(ForkSettings(preload=PRELOAD))
        before = set(started_by(os.getpid()))
        warming = asyncio.create_task(children.start())
        parent = await eventually(lambda: set(started_by(os.getpid())) - before)
        await eventually(lambda: all(held_by(pid) > _SLOW_TO_END for pid in parent))
        warming.cancel()
        await children.stop()
        assert set(started_by(os.getpid())) == before, "what is killed must be waited for, too"

    async def test_the_fork_parent_answers_a_ping_until_it_is_gone(self, children: Children) -> None:
        assert await children.ping() >= 0
        await children.stop()
        with pytest.raises(TryLater):
            await children.ping()

    def test_the_workers_side_imports_no_heavy_library(self) -> None:
        heavy = "{'numpy', 'pandas', 'polars', 'sklearn', 'mlflow', 'dvc', 'pyarrow', 'skops'}"
        code = f"import sys, service.processes.pool; sys.exit(str({heavy} & set(sys.modules) or ''))"
        command = [sys.executable, "-c", code]
        found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
        assert found.stderr.strip() == ""


class TestDescriptors:
    async def test_a_child_holds_nothing_of_the_worker_or_of_its_siblings(self) -> None:
        async with running() as children, children.lease() as leased:
            for name in _BOTH:
                opened = await leased.run(name, task("descriptors"))
                assert sum(what.startswith("socket:") for what in opened) == 1 + _inherited_sockets()
                assert not [what for what in opened if what.startswith("anon_inode")]

    async def test_descriptors_stay_flat_over_200_tasks_and_20_deaths(self) -> None:
        async with running() as children, children.lease() as leased:
            parent = children.pids()["fork_parent"]
            gc.collect()  # what earlier tests left is not to hide what this one leaves
            before = (open_descriptors(), open_descriptors(parent))
            for number in range(200):
                await leased.run("train", task("add"), left=number, right=1, timeout_seconds=60)
                if number % 10 == 9:
                    with pytest.raises(TryLater):
                        await leased.run("train", task("die"), number=9)
            await eventually(lambda: len(children.pids()) == 3)
            await eventually(lambda: open_descriptors() <= before[0])
            await eventually(lambda: open_descriptors(parent) <= before[1])


class TestOwner:
    """What becomes of the children of a worker that is killed, stopped or interrupted."""

    @pytest.fixture
    def owner(self, tmp_path: Path) -> Any:
        started: list[subprocess.Popen[bytes]] = []

        def start(scenario: str, preload: str = "") -> subprocess.Popen[bytes]:
            command = [
                sys.executable,
                "-m",
                "tests.integration.child_owner",
                str(tmp_path),
                preload,
                scenario,
            ]
            root = Path(__file__).parents[2]
            process = subprocess.Popen(command, cwd=root, start_new_session=True)  # noqa: S603 - ours
            started.append(process)
            return process

        yield start
        for process in started:
            process.kill()
            process.wait()

    @pytest.mark.parametrize("halt_first", [False, True])
    async def test_a_killed_worker_takes_everything_along_even_what_is_stopped(
        self, owner: Any, tmp_path: Path, *, halt_first: bool
    ) -> None:
        process = owner("at_work")
        pids = await self._everyone(tmp_path)
        if halt_first:
            for pid in [process.pid, *pids[1:]]:
                os.kill(pid, signal.SIGSTOP)
            await eventually(lambda: stopped(pids[1]))
        process.kill()
        await eventually(lambda: not alive(pids))

    async def test_a_worker_killed_during_the_preload_leaves_no_fork_parent(self, owner: Any) -> None:
        process = owner("at_work", preload="mlflow,sklearn.ensemble")
        pids = await eventually(lambda: started_by(process.pid))
        process.kill()
        await eventually(lambda: not alive(pids))

    async def test_a_stopped_workers_child_dies_when_the_lease_ends(self, owner: Any, tmp_path: Path) -> None:
        process = owner("lease")
        pids = await eventually(lambda: pids_in(tmp_path / "train"))
        os.kill(process.pid, signal.SIGSTOP)
        await eventually(lambda: not alive(pids))
        assert stopped(process.pid)
        os.kill(process.pid, signal.SIGCONT)
        outcome = tmp_path / "outcome"
        assert await eventually(lambda: outcome.exists() and outcome.read_text()) == "LeaseLost lease_expired"
        assert process.wait() == 0

    async def test_signals_from_a_terminal_are_the_workers_to_answer(
        self, owner: Any, tmp_path: Path
    ) -> None:
        """SIGINT to the foreground group and SIGTERM to every process: the task still comes to its end."""
        process = owner("interrupt")
        await eventually((tmp_path / "listening").exists)
        os.killpg(process.pid, signal.SIGINT)
        for pid in [process.pid, *pids_in(tmp_path / "pids")]:
            os.kill(pid, signal.SIGTERM)
        outcome = tmp_path / "outcome"
        assert await eventually(lambda: outcome.exists() and outcome.read_text()) == str(tmp_path / "gate")
        assert process.wait() == 0

    async def _everyone(self, folder: Path) -> list[int]:
        """The fork parent, the children, the spare and all descendants."""
        paths = [folder / name for name in ("pids", "train", "side")]
        await eventually(lambda: all(path.exists() for path in paths))
        return [pid for path in paths for pid in pids_in(path)]


def _inherited_sockets() -> int:
    """Standard error, which children share, may itself be a socket."""
    return sum(str(Path(f"/proc/self/fd/{number}").readlink()).startswith("socket:") for number in (1, 2))


def _logging_warm_up(path: Path) -> dict[str, Any]:
    return {"warm_up": task("log_pid"), "warm_up_arguments": {"path": str(path)}}
