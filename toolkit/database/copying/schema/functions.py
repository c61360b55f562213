"""The functions that give the same in both kinds of database; no I/O."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.database.copying.schema.terms import Term, Unlike

_LENGTHS = ("LENGTH", "CHAR_LENGTH", "CHARACTER_LENGTH")
_TRIMS = {"TRIM": "trim", "BTRIM": "trim", "LTRIM": "ltrim", "RTRIM": "rtrim"}
_CASES = ("LOWER", "UPPER")


def called(to: str, name: str, arguments: Sequence[Term], only_finds: bool) -> Term:
    """A call of a function, as the other kind of database writes it.

    Args:
        to: Where it shall stand.
        name: In upper case.
        arguments: What it is given.
        only_finds: Whether a row is there or not does not depend on it.

    Raises:
        Unlike: It gives something else there, as far as is known.
    """
    kinds = [one.kind for one in arguments]
    first = arguments[0]
    if name == "ABS" and len(kinds) == 1 and kinds[0] in ("integer", "real", "numeric"):
        return Term(f"abs({first.text})", first.kind)
    if name in _LENGTHS and kinds in (["text"], ["bytes"]):
        return Term(f"length({first.text})", "integer")
    if name in _TRIMS and kinds == ["text"]:
        # Only blanks, in both; by this name PostgreSQL gives it back.
        short = "btrim" if to == "postgresql" and _TRIMS[name] == "trim" else _TRIMS[name]
        return Term(f"{short}({first.text})", "text", collation=first.collation)
    if name in _CASES and kinds == ["text"]:
        return _cased(to, name.lower(), first, only_finds)
    if name in ("SUBSTR", "SUBSTRING") and _is_part(arguments):
        listed = ", ".join(one.text for one in arguments)
        return Term(f"substr({listed})", "text", collation=first.collation)
    raise Unlike(f"{name.lower()}() in it does not do the same in both, as far as is known")


def _cased(to: str, name: str, argument: Term, only_finds: bool) -> Term:
    """SQLite knows the case of ASCII letters only, as PostgreSQL does by the collation C."""
    if only_finds:
        return Term(f"{name}({argument.text})", "text", collation=argument.collation)
    if to == "postgresql":
        return Term(f'{name}({argument.inner} COLLATE "C")', "text")
    if argument.collation != "C":
        raise Unlike(f"{name}() in SQLite knows ASCII letters only")
    return Term(f"{name}({argument.text})", "text", collation="C")


def _is_part(arguments: Sequence[Term]) -> bool:
    """Whether it is of a text, from a place on that is one: others SQLite counts from the end."""
    if arguments[0].kind != "text" or len(arguments) not in (2, 3):
        return False
    least = (1, 0)
    return all(
        isinstance(one.value, int) and one.value >= low
        for one, low in zip(arguments[1:], least, strict=False)
    )
