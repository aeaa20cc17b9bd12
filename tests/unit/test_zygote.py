"""What the fork parent says when the kernel refuses it a process."""

import os
import socket

import pytest

from service.processes.fork_server import Zygote
from service.processes.wire import unpack_plain


def test_a_fork_that_the_kernel_refuses_is_told_and_the_childs_socket_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    worker, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours, theirs = socket.socketpair()
    with worker, control, ours:
        zygote = Zygote(control, os.getpid())
        zygote._fork(7, theirs.detach())
        kind, number, text = unpack_plain(worker.recv(1000))
        assert (kind, number) == ("unforked", 7)
        assert "temporarily unavailable" in text
        assert ours.recv(1) == b""
        zygote._selector.close()
        for end in (zygote._woken, zygote._waker):
            os.close(end)
