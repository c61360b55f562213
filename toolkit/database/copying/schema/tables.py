"""What a table is, as far as both kinds of database know it; no I/O.

Names and expressions are kept as the database has them; `quoted` and `escaped` make of them what
stands in a statement of the toolkit, where a brace is written twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

ACTIONS = ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")

PARTITIONS = "its partitions"
"""What is said of a table of PostgreSQL that has some: its rows are copied, into one table."""


def quoted(name: str) -> str:
    """A name as it stands in a statement, whatever characters it has."""
    return escaped(raw(name))


def raw(name: str) -> str:
    """A name as it stands in SQL that is passed on as it is."""
    return '"' + name.replace('"', '""') + '"'


def listed(names: Iterable[str]) -> str:
    """Names as they stand in a statement, parted by commas."""
    return ", ".join(map(quoted, names))


def escaped(sql: str) -> str:
    """SQL of a database's own as it stands in a statement."""
    return sql.replace("{", "{{").replace("}", "}}")


SEQUENCE = "the sequence "
"""What a sequence of PostgreSQL is called by, before its name."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: As it is.
        kind: What it holds, whichever database keeps it: `integer`, `text`, `timestamp`, …
        type: As its own database writes it.
        is_required: Whether it is NOT NULL.
        default: An expression, or nothing.
        identity: Whether PostgreSQL numbers its rows: `a` always, `d` by default.
        generated: What it is computed from, if it is: such a column is not copied, but made.
        collation: Another than the usual one.
        labels: Of an enumeration, all that it may hold.
        size: Of a text, how many characters it may have; of a number, how many digits.
        scale: Of a number, how many of its digits stand after the point.
        last: The highest number that PostgreSQL has given to a row in it.
        domain: Of which domain of PostgreSQL it is; its type is what that is made of.
    """

    name: str
    kind: str
    type: str = ""
    is_required: bool = False
    default: str = ""
    identity: str = ""
    generated: str = ""
    collation: str = ""
    labels: tuple[str, ...] = ()
    size: int | None = None
    scale: int = 0
    last: int | None = None
    domain: str = ""


@dataclass(frozen=True)
class Check:
    """What holds for each row: an expression, and its name if it has one."""

    expression: str
    name: str = ""


@dataclass(frozen=True)
class Unique:
    """Columns of which no two rows have the same, and the rule's name if it has one."""

    columns: tuple[str, ...]
    name: str = ""


@dataclass(frozen=True)
class ForeignKey:
    """Columns that name a row of a table, and what becomes of them when that row changes."""

    columns: tuple[str, ...]
    other: str
    other_columns: tuple[str, ...]
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"
    deferral: str = ""

    def __str__(self) -> str:
        return f"the foreign key ({', '.join(self.columns)}) to {self.other!a}"


@dataclass(frozen=True)
class Index:
    """An index that is not a key's own.

    Attributes:
        name: As it is.
        parts: Each a name or an expression, whether it is a name, and what stands after it.
        is_unique: Whether no two rows have the same.
        where: Which rows it holds, if not all.
        odd: What the other kind of database does not know of it.
        definition: The statement that makes it, in its own database.
    """

    name: str
    parts: tuple[tuple[str, bool, str], ...]
    is_unique: bool = False
    where: str = ""
    odd: str = ""
    definition: str = ""


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: As it is.
        columns: In order; those that are computed as well.
        key: The primary key's columns.
        unique: The keys besides that one.
        checks: What holds for each row.
        foreign_keys: Which tables it names.
        indexes: The others.
        definition: SQLite: the statement that makes it.
        constraints: PostgreSQL: names and definitions, but of foreign keys.
        references: PostgreSQL: those of foreign keys.
        odd: What the other kind of database does not know of it, one line each.
        last: The highest number that was ever given to a row, where that is kept.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    unique: tuple[Unique, ...] = ()
    checks: tuple[Check, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[Index, ...] = ()
    definition: str = ""
    constraints: tuple[tuple[str, str], ...] = ()
    references: tuple[tuple[str, str], ...] = ()
    odd: tuple[str, ...] = ()
    last: int | None = None

    @property
    def kept(self) -> tuple[Column, ...]:
        """The columns that are copied: those that are not computed."""
        return tuple(column for column in self.columns if not column.generated)

    @property
    def number(self) -> str:
        """The column whose numbers the database gives, as its key: SQLite's rowid, or none."""
        if len(self.key) != 1:
            return ""
        kinds = {column.name: column.kind for column in self.columns}
        return self.key[0] if kinds[self.key[0]] == "integer" else ""


@dataclass(frozen=True)
class Schema:
    """All that a database has.

    Attributes:
        dialect: `sqlite` or `postgresql`.
        tables: In the order of their names.
        odd: What is in no table, and cannot be made in the other kind of database.
        before: What is made before the tables in a database of the same kind: each with how it
            is called, and the statement.
        after: What is made after their rows.
        is_utc: Whether PostgreSQL's sessions have UTC as their time zone, if none other is set.
        beside: What is not of it, and not copied, one line each.
    """

    dialect: str
    tables: tuple[Table, ...]
    odd: tuple[str, ...] = ()
    before: tuple[tuple[str, str], ...] = ()
    after: tuple[tuple[str, str], ...] = field(default=())
    is_utc: bool = False
    beside: tuple[str, ...] = ()
