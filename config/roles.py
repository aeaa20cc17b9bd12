"""Roles and tokens, as the environment spells them."""

from pydantic import SecretStr

from domain.roles import DEFAULT, ROLES, Role


class Token(SecretStr):
    """A bearer token with the roles of its name."""

    def __init__(self, token: str, roles: tuple[Role, ...] = DEFAULT) -> None:
        super().__init__(token)
        self.roles = roles


def name_and_roles(name: str) -> tuple[str, tuple[Role, ...]]:
    """Take `name/roles` apart; a name may hold slashes of its own. Raises ValueError."""
    before, slash, text = name.rpartition("/")
    if not slash or _words(text).isdisjoint(ROLES):
        return name, DEFAULT
    return before.strip(), read_roles(text)


def read_roles(text: str) -> tuple[Role, ...]:
    """Read `ask`, `operate`, `ask+operate`. Raises ValueError."""
    named = _words(text)
    if unknown := sorted(named.difference(ROLES)):
        raise ValueError(f"there is no role {unknown[0]!r}: allowed are ask, operate and ask+operate")
    return tuple(role for role in ROLES if role in named)


def roles_of(value: object) -> object:
    """Read roles from a text of the environment."""
    return read_roles(value) if isinstance(value, str) else value


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.replace(",", "+").split("+"))
