"""Becomes a server process that dies with its owner. Run by path as a plain script.

Arguments: owner's pid, signal on the owner's death, user id or -1, group id or -1, then the command line.
The script exists so that nothing of Python runs between fork and exec in the (threaded) owner.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITY_VERSION_3 = 0x20080522
LAST_CAPABILITY = 63


def drop_root(libc: ctypes.CDLL, user: int, group: int) -> None:
    """Become ``user`` for good: no capability is left in any set, and no program gives one back."""
    for capability in range(LAST_CAPABILITY + 1):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # refused beyond the kernel's last
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable
    if libc.capset(header, none) != 0:
        sys.exit("the capabilities of root cannot be dropped")
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


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
