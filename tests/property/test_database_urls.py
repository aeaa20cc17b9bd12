"""A database's URL is read as SQLAlchemy's engine reads it."""

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from domain.errors import Stop
from service.adapters.postgres.address import Address, read_address

DRIVERS = ("postgresql", "postgres", "postgresql+psycopg", "postgresql+asyncpg", "mysql")
TEXTS = st.text("ab1.-_%20+é", max_size=6)
NAMES = st.sampled_from(["host", "port", "options", "sslmode", "application_name", ""])
QUERIES = st.lists(st.tuples(NAMES, TEXTS | st.just("a:1") | st.just("7,8")), max_size=4)


@st.composite
def urls(draw: st.DrawFn) -> str:
    driver = draw(st.sampled_from(DRIVERS))
    user = draw(st.none() | st.builds("{}@".format, TEXTS) | st.builds("{}:{}@".format, TEXTS, TEXTS))
    host = draw(st.sampled_from(["", "h", "db.example.com", "[::1]", "10.0.0.1"]))
    port = draw(st.sampled_from(["", ":", ":0", ":5432", ":x"]))
    database = draw(st.none() | st.builds("/{}".format, TEXTS))
    said = draw(QUERIES)
    query = "?" + "&".join(f"{name}={text}" for name, text in said) if said else ""
    return f"{driver}://{user or ''}{host}{port}{database or ''}{query}"


def by_sqlalchemy(url: str) -> Address | str:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in {"postgresql", "postgres"}:
            return "bad_database_url"
        parsed = parsed.set(drivername="postgresql+psycopg")
        arguments = parsed.get_dialect()().create_connect_args(parsed)[1]
    except (ArgumentError, ValueError):
        return "bad_database_url"
    return Address(arguments, parsed.query)


def by_us(url: str) -> Address | str:
    try:
        return read_address(url)
    except Stop as refused:
        return refused.reason


@settings(max_examples=settings().max_examples * 3)
@given(urls() | st.text(max_size=20))
def test_a_databases_url_means_what_it_means_to_the_engine(url: str) -> None:
    assert by_us(url) == by_sqlalchemy(url)
