"""Regular expressions on a column, in the engine where it can and in Python where it can not."""

import re

import polars as pl


def breaks_format(column: pl.Expr, pattern: str) -> pl.Expr:
    """True where a text does not match `pattern` as a whole; null where there is no text."""
    whole = rf"^(?:{pattern})$"
    if _engine_knows(whole):
        return ~column.str.contains(whole)
    return column.map_batches(
        lambda texts: _unmatched(texts, pattern), return_dtype=pl.Boolean, is_elementwise=True
    )


def _engine_knows(pattern: str) -> bool:
    """The engine's regular expressions have neither look-around nor back-references."""
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError:
        return False
    return True


def _unmatched(texts: pl.Series, pattern: str) -> pl.Series:
    compiled = re.compile(pattern)
    distinct = {text: compiled.fullmatch(text) is None for text in texts.unique() if text is not None}
    return pl.Series(texts.name, [distinct.get(text) for text in texts], dtype=pl.Boolean)
