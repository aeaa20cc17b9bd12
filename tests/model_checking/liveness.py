"""Which locals of a function are still read from a place on: what is dead there tells no two states apart."""

import dis
from functools import cache
from types import CodeType
from typing import Final

_ENDS: Final = frozenset({"RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"})
_ALWAYS_JUMPS: Final = frozenset(
    {"JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "JUMP_ABSOLUTE"}
)


@cache
def live_locals(code: CodeType, offset: int) -> frozenset[str]:
    """Names that are read on some way from behind the instruction at `offset`; cells count as always read."""
    always = frozenset(code.co_cellvars + code.co_freevars)
    return _live_behind(code).get(offset, frozenset(code.co_varnames)) | always


@cache
def _live_behind(code: CodeType) -> dict[int, frozenset[str]]:
    """Go backwards over the instructions until nothing changes."""
    instructions = list(dis.get_instructions(code))
    following = _following(code, instructions)
    before: dict[int, frozenset[str]] = {one.offset: frozenset() for one in instructions}
    behind: dict[int, frozenset[str]] = dict(before)
    changed = True
    while changed:
        changed = False
        for one in reversed(instructions):
            behind[one.offset] = frozenset().union(*(before[place] for place in following[one.offset]))
            entering = _entering(one, behind[one.offset])
            changed |= entering != before[one.offset]
            before[one.offset] = entering
    return behind


def _entering(one: dis.Instruction, behind: frozenset[str]) -> frozenset[str]:
    """What is live before an instruction: a mere store ends a life, any other use of a local begins one."""
    if one.opname in {"STORE_FAST", "DELETE_FAST"}:
        return behind - {str(one.argval)}
    if "FAST" in one.opname:
        names = one.argval if isinstance(one.argval, tuple) else (one.argval,)
        return behind | {str(name) for name in names}
    return behind


def _following(code: CodeType, instructions: list[dis.Instruction]) -> dict[int, list[int]]:
    following: dict[int, list[int]] = {}
    for one, after in zip(instructions, [*instructions[1:], None], strict=True):
        places = [] if after is None or one.opname in _ENDS | _ALWAYS_JUMPS else [after.offset]
        if one.opcode in dis.hasjrel or one.opcode in dis.hasjabs:
            places.append(int(one.argval))
        following[one.offset] = places
    for entry in dis.Bytecode(code).exception_entries:  # type: ignore[attr-defined] # unknown to its stub
        for offset, places in following.items():
            if entry.start <= offset < entry.end:
                places.append(entry.target)
    return following
