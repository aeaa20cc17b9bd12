"""Becomes a server process that dies with its owner. Run by path as a plain script.

Arguments: owner's pid, signal on the owner's death, user id or -1, group id or -1, then the command line.
The script exists so that nothing of Python runs between fork and exec in the (threaded) owner.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 4
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


def drop_root(libc: ctypes.CDLL, user: int, group: int) -> None:
    """Become ``user``, but keep reaching what only root may: the checkout may lie in a closed home folder."""
    # else the change of user takes the capability away, and access(2), by which PostgreSQL looks for its own
    # programs, does not count it
    libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    mask = 1 << CAP_DAC_OVERRIDE
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)  # effective, permitted, inheritable
    libc.capset(header, sets)
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def main(arguments: list[str]) -> None:
    """Drop root, tie this process to its owner, and become the command."""
    owner, death_signal, user, group = (int(text) for text in arguments[:4])
    command = arguments[4:]
    libc = ctypes.CDLL(None, use_errno=True)
    linux = sys.platform == "linux"
    if user >= 0 and linux:
        drop_root(libc, user, group)
    if linux:
        # after the change of user, which would clear it
        libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != owner:
        sys.exit("the owner of this server has ended")
    os.execv(command[0], command)  # noqa: S606 - the command is our own


main(sys.argv[1:])
