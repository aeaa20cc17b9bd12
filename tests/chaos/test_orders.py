"""The fault cases can trust their own orders: one that is carried out is gone only when its victim is."""

import subprocess
import sys
from pathlib import Path

import pytest

from domain.points import Point
from tests.chaos.orders import Orders
from tests.kit.eventually import eventually
from tests.kit.processes import alive

_VICTIM = """
import sys
from pathlib import Path
from domain.points import Point
from tests.chaos.points import ArmedPoints
burden = bytearray(1 << 28)  # a process with memory is not gone at once
burden[::4096] = b"1" * (1 << 16)
print("ready", flush=True)
while True:
    ArmedPoints(Path(sys.argv[1])).passed(Point.SPLIT_AFTER_TEMP)
"""


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.soak)])
async def test_an_order_to_kill_is_armed_until_its_victim_is_gone(times: int, tmp_path: Path) -> None:
    """Else whoever keeps workers alive may look in between, see a living one, and look no more."""
    orders = Orders(tmp_path / "orders")
    for _ in range(times):
        with subprocess.Popen(  # noqa: ASYNC220, S603 - our own code, and it ends at once
            [sys.executable, "-c", _VICTIM, str(orders.folder)], stdout=subprocess.PIPE
        ) as victim:
            assert victim.stdout is not None
            victim.stdout.readline()
            orders.kill_at(Point.SPLIT_AFTER_TEMP)
            await eventually(lambda: not orders.armed())
            assert not alive([victim.pid])
    assert orders.killed() == {Point.SPLIT_AFTER_TEMP: times}
