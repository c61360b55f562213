"""The calls of a database: each is checked here, made a job, and answered by a Deferred."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, fail

from toolkit.database.errors import DatabaseError
from toolkit.database.job import Kind
from toolkit.database.reading import Reading
from toolkit.database.rows import Row
from toolkit.database.session import Session
from toolkit.database.sql import Statement, Statements
from toolkit.database.transaction import Transaction, only, only_or_none

P = ParamSpec("P")
T = TypeVar("T")


class Calls(ABC):
    """What can be asked of a database.

    Every call returns a Deferred, which fails with one of `toolkit.database.errors`: among them
    QueueFull and Closed at once, DeadlinePassed in time. Cancelling it takes a call that waits
    off the queue, and interrupts one that runs; a commit that has begun is not undone by it.

    A connection is used by one call after another, so what would stay in it is refused: SET (but
    for SET LOCAL in a transaction), PRAGMA that sets, ATTACH, LISTEN, temporary tables outside a
    transaction. What a function of the server leaves there is not seen, nor taken away:
    `set_config(…, false)`, `pg_advisory_lock` (use `pg_advisory_xact_lock` in a transaction).

    In SQL, `{name}` stands for the parameter of that name, and `{{` for a brace. Values never
    become part of the text.
    """

    _statements: Statements

    @abstractmethod
    def _submit(self, call: Callable[[Session], Any], kind: Kind, sql: str) -> Deferred[Any]:
        """Have a job done."""

    def query(self, sql: str, /, **params: Any) -> Deferred[list[Row]]:
        """All rows of a statement.

        Where the connection is lost meanwhile, a statement that reads is tried again: one that
        begins with SELECT and calls a function that writes belongs in `execute`.

        Args:
            sql: The statement.
            params: Its parameters, by name.

        Returns:
            A Deferred with the rows, each read by name and by position.
        """
        return self._rows(sql, params, None)

    def one(self, sql: str, /, **params: Any) -> Deferred[Row]:
        """The only row of a statement.

        Args:
            sql: The statement.
            params: Its parameters, by name.

        Returns:
            A Deferred with the row; fails with NoRow or TooManyRows if there is not just one.
        """
        return self._rows(sql, params, only)

    def maybe_one(self, sql: str, /, **params: Any) -> Deferred[Row | None]:
        """The only row of a statement, or None.

        Args:
            sql: The statement.
            params: Its parameters, by name.

        Returns:
            A Deferred with the row or None; fails with TooManyRows if there are several.
        """
        return self._rows(sql, params, only_or_none)

    def _rows(
        self, sql: str, params: dict[str, Any], pick: Callable[[list[Row], str], Any] | None
    ) -> Deferred[Any]:
        try:
            statement = self._statements.alone(sql)
            values = statement.values(params)
        except DatabaseError as error:
            return fail(error)
        reading = Reading(statement, values, pick)
        return self._submit(reading, _kind(statement, Kind.READ), sql)

    def execute(self, sql: str, /, **params: Any) -> Deferred[int]:
        """Run a statement, in a transaction of its own.

        PostgreSQL runs it at its default, read committed: it changes rows as they are when their
        turn comes (`SET n = n + 1` loses nothing), but what it reads besides them may be changed
        by others meanwhile. What depends on that is for `transaction`.

        Args:
            sql: The statement.
            params: Its parameters, by name.

        Returns:
            A Deferred with the number of rows it changed; it fires when that is on disk. It
            fails with OutcomeUnknown where the connection is lost before the server has answered.
        """
        try:
            statement = self._statements.alone(sql)
            values = statement.values(params)
        except DatabaseError as error:
            return fail(error)
        return self._submit(
            lambda session: session.execute(statement, values), _kind(statement, Kind.WRITE), sql
        )

    def execute_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> Deferred[int]:
        """Run a statement with each of many sets of parameters, all in one transaction.

        Each time it sees what `execute` would, on PostgreSQL also what others commit meanwhile.

        Args:
            sql: The statement.
            rows: The parameters, by name, of each time; all are read at once.

        Returns:
            A Deferred with the number of rows they changed, in all.
        """
        try:
            statement = self._statements.alone(sql)
            values = [statement.values(row) for row in rows]
        except DatabaseError as error:
            return fail(error)
        return self._submit(
            lambda session: session.execute_many(statement, values), Kind.SERIES, sql
        )

    def transaction(
        self, function: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Run a function in a transaction: committed when it returns, undone when it raises.

        It runs as if it were alone: SQLite has one transaction write at a time, and PostgreSQL
        runs it at the isolation that the settings say, serializable, where one that conflicts
        with another is run again. Within a process those that conflict again run one at a time.

        It is called in a thread, and again, as a whole, where the transaction failed for a
        passing reason (a conflict, a lock, a lost connection) and nothing of it can have been
        kept. So it should do nothing but with its Transaction, and not for long.

        Args:
            function: Called with a Transaction and `args`.
            args: Passed on.
            kwargs: Passed on.

        Returns:
            A Deferred with what it returned, when that is on disk; it fails with what it raised,
            or with OutcomeUnknown where the connection is lost during the commit, or with
            TypeError where the function is a coroutine function.
        """

        def call(session: Session) -> T:
            transaction = Transaction(session, self._statements)
            try:
                result = function(transaction, *args, **kwargs)
            finally:
                transaction.end()
            if isinstance(result, Coroutine | Generator):
                result.close()
                raise TypeError(
                    f"{name} is a coroutine function or a generator, and nothing of it has run: "
                    "what runs in a transaction is an ordinary function, whose calls block"
                )
            return result

        name = getattr(function, "__qualname__", type(function).__name__)
        return self._submit(call, Kind.TRANSACTION, name)


def _kind(statement: Statement, usual: Kind) -> Kind:
    if statement.alone:
        return Kind.ALONE
    return usual if statement.reads else Kind.WRITE
