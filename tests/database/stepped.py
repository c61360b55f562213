"""Lanes on a Clock: a thread goes on when the test says so, and stands still where it waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, cast

from greenlet import getcurrent, greenlet
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from toolkit.database.driver import Done, Lanes
from toolkit.database.errors import DatabaseError
from toolkit.database.figures import Figures
from toolkit.database.job import Job, Kind
from toolkit.database.lane import Lane
from toolkit.database.pace import TURN_SECONDS
from toolkit.database.reading import Reading
from toolkit.database.rows import Batch, Row
from toolkit.database.session import Session, Values
from toolkit.database.settings import DatabaseSettings
from toolkit.database.sql import Statement, Statements
from toolkit.database.threads import Threads
from toolkit.database.work import Work
from toolkit.database.worker import Worker

Outcome = tuple[str, Any]


class SteppedReactor(Clock):
    """A Clock; what threads ask for is done when that goes on, were it by no time at all."""

    def callFromThread(self, function: Callable[..., Any], *args: Any) -> None:
        self.callLater(0, function, *args)


class SteppedThreads:
    """The threads and connections of a lane; each thread is a greenlet of the test's own.

    Attributes:
        opened: How many connections have been opened.
        closed: Those that were closed again.
        ended: Whether the threads were told to end.
    """

    def __init__(self) -> None:
        self.threadpool = self
        self.opened = 0
        self.closed: list[Any] = []
        self.ended = False
        self._threads: list[greenlet] = []
        self._to_end = False

    def callInThread(self, work: Callable[[], None]) -> None:
        self._threads.append(greenlet(work))

    def connect(self) -> int:
        self.opened += 1
        return self.opened

    def disconnect(self, connection: Any) -> None:
        self.closed.append(connection)

    def end(self) -> None:
        self.ended = True

    @property
    def count(self) -> int:
        """How many there are, and have not ended."""
        return sum(not thread.dead for thread in self._threads)

    def step(self, number: int) -> None:
        """Let one thread go on until it waits."""
        if number < len(self._threads) and not self._threads[number].dead:
            self._threads[number].switch()

    def run(self) -> None:
        """Let each thread go on until it waits."""
        for number in range(len(self._threads)):
            self.step(number)

    def stand(self) -> None:
        """In a thread: wait until the test lets it go on."""
        if not self._to_end:
            parent = getcurrent().parent
            assert parent is not None, "only a thread stands still"
            parent.switch()

    def queue(self) -> Tokens:
        """A queue for whose content a thread stands still."""
        return Tokens(self)

    def finish(self) -> None:
        """Let each thread end, wherever it is."""
        self._to_end = True
        while self.count:
            self.run()

    def give(self, tokens: deque[bool]) -> bool:
        """The next token, for which a thread may have to wait."""
        while not tokens and not self._to_end:
            self.stand()
        return tokens.popleft() if tokens else False


class Tokens(SimpleQueue[bool]):
    """A SimpleQueue for these threads."""

    def __init__(self, threads: SteppedThreads) -> None:
        self._threads = threads
        self._tokens: deque[bool] = deque()

    def put(self, item: bool, block: bool = True, timeout: float | None = None) -> None:
        self._tokens.append(item)

    def get(self, block: bool = True, timeout: float | None = None) -> bool:
        return self._threads.give(self._tokens)

    def qsize(self) -> int:
        return len(self._tokens)


class MemorySession(Session):
    """A connection to a list of numbers, with transactions and savepoints.

    Attributes:
        kept: What was committed, in whichever connection.
        rows: The batches that are fetched, up to an error: of one stream after another.
        commands: Those that were run.
        fails: What the next commands fail with, by the command.
        was_interrupted: How often.
        was_severed: How often.
        is_ready: What `ready` says.
    """

    def __init__(self, connection: Any = None, kept: list[Any] | None = None) -> None:
        super().__init__(slow_seconds=30)
        self.connection = connection
        self.kept: list[Any] = [] if kept is None else kept
        self.commands: list[str] = []
        self.fails: dict[str, list[BaseException]] = {}
        self.was_interrupted = 0
        self.was_severed = 0
        self.is_ready = True
        self.rows: list[list[Batch | BaseException]] = []
        self._levels: list[list[Any]] = []
        self._changes = 0

    def write(self, thing: Any) -> int:
        """Keep something, when the transaction is committed; at once, where there is none."""
        self._begin()
        (self._levels[-1] if self._levels else self.kept).append(thing)
        self._changes += 1
        return 1

    def loses_all(self) -> None:
        """End the transaction, as SQLite does after some errors."""
        self._levels.clear()

    def _query(self, statement: Statement, values: Values) -> list[Row]:
        return []

    def _execute(self, statement: Statement, values: Values) -> int:
        return self.write((statement.source, *values))

    def _execute_many(self, statement: Statement, values: Sequence[Values]) -> int:
        return sum(self._execute(statement, one) for one in values)

    def batches(
        self, statement: Statement, values: Values, size: int
    ) -> Generator[Batch, None, None]:
        try:
            for rows in self.rows.pop(0):
                if isinstance(rows, BaseException):
                    raise rows
                yield rows
        finally:
            self.commands.append("CLOSE")

    def command(self, sql: str) -> None:
        self.commands.append(sql)
        if self.fails.get(sql):
            raise self.fails[sql].pop(0)
        word = sql.split()[0]
        if word in ("BEGIN", "SAVEPOINT"):
            self._levels.append([])
        elif sql == "ROLLBACK":
            self._levels.clear()
        elif word == "ROLLBACK":
            self._levels[-1].clear()
        else:
            top = self._levels.pop()
            (self._levels[-1] if self._levels else self.kept).extend(top)

    def script(self, sql: str) -> None:
        self.commands.append(sql)

    @property
    def in_transaction(self) -> bool:
        return bool(self._levels)

    @property
    def changes(self) -> int:
        return self._changes

    @property
    def dialect(self) -> str:
        return "sqlite"

    def ready(self) -> bool:
        return self.is_ready

    def interrupt(self) -> None:
        self.was_interrupted += 1

    def sever(self) -> None:
        self.was_severed += 1

    def close(self) -> None:
        """Nothing: the threads close it."""


def post(worker: Worker, job: Job) -> None:
    """Serve a job by itself: it commits, where it writes, after it has run."""
    try:
        result = job.call(worker.session)  # type: ignore[arg-type] # it is open
    except BaseException as error:  # noqa: BLE001 - it is the job's
        worker.post(job, None, error)
    else:
        worker.post(job, result)


class Stage:
    """A lane whose threads are stepped, and what its jobs came to.

    Args:
        size: The most threads.
        serve: What a thread does with a job.
        done: Called with what each came to, after that was noted.
        reactor: A Clock that several lanes have.

    Attributes:
        begun: The jobs that threads began with, by name.
        told: What the reactor was told, in order: the job's name, and its result or error.
        kept: What was committed.
    """

    def __init__(
        self,
        size: int = 1,
        serve: Callable[[Worker, Job], None] = post,
        done: Callable[[Job, Any, BaseException | None], None] = lambda *_: None,
        reactor: SteppedReactor | None = None,
    ) -> None:
        self.reactor = reactor or SteppedReactor()
        self.threads = SteppedThreads()
        self.sessions: list[MemorySession] = []
        self.begun: list[str] = []
        self.told: list[Outcome] = []
        self.kept: list[Any] = []
        self.cannot_open: list[BaseException] = []
        self._then = done
        self._statements = Statements("?")
        self.lane = Lane(
            self.reactor, cast(Threads, self.threads), size, self._open, serve, self._done
        )
        self.lane.wakes = self.threads.queue()

    def job(
        self,
        name: str,
        call: Callable[[Any], Any] = lambda _: None,
        kind: Kind = Kind.TRANSACTION,
        since: float | None = None,
    ) -> Job:
        """A job that notes when it begins."""

        def begins(session: Session) -> Any:
            self.begun.append(name)
            return call(session)

        now = self.reactor.seconds() if since is None else since
        return Job(begins, kind, name, now, 30.0, Deferred(), self.lane)

    def quick(self, name: str, share: float = 0.1) -> Job:
        """A job that reads, of a statement that is known to take so much of a turn."""
        statement = self._statements.get(f"SELECT '{name}'")
        statement.pace.note(share * TURN_SECONDS)

        class Noting(Reading):
            def __call__(_, session: Session) -> Any:  # noqa: N805 - self is the stage
                self.begun.append(name)
                return name

        reading = Noting(statement, (), None)
        now = self.reactor.seconds()
        return Job(reading, Kind.READ, name, now, 30.0, Deferred(), self.lane)

    def standing(self, name: str, call: Callable[[Any], Any] = lambda _: None) -> Job:
        """A job in the middle of which its thread stands still once."""

        def stands(session: Session) -> Any:
            self.threads.stand()
            return call(session)

        return self.job(name, stands)

    def submit(self, *jobs: Job) -> None:
        for job in jobs:
            self.lane.submit(job)

    def turn(self, seconds: float = 0.0) -> None:
        """Let the reactor go on."""
        self.reactor.advance(seconds)

    def run(self) -> None:
        """Let the threads do all that they can, and the reactor hear of it."""
        self.threads.run()
        self.turn()

    @property
    def names(self) -> list[str]:
        """The jobs that wait."""
        return [job.sql for job in self.lane.waiting]

    @property
    def answered(self) -> list[str]:
        """The jobs of which the reactor was told."""
        return [name for name, _ in self.told]

    def _open(self, threads: Threads) -> MemorySession:
        if self.cannot_open:
            raise self.cannot_open.pop(0)
        self.sessions.append(MemorySession(threads.connect(), self.kept))
        return self.sessions[-1]

    def _done(self, job: Job, result: Any, error: BaseException | None) -> None:
        self.told.append((job.sql, result if error is None else error))
        self._then(job, result, error)


@contextmanager
def stage(
    size: int = 1,
    serve: Callable[[Worker, Job], None] = post,
    done: Callable[[Job, Any, BaseException | None], None] = lambda *_: None,
) -> Iterator[Stage]:
    """A Stage whose threads end with the test."""
    made = Stage(size, serve, done)
    try:
        yield made
    finally:
        made.threads.finish()


class SteppedLanes(Lanes):
    """A lane that writes, one that reads and one for streams, on one Clock.

    Attributes:
        stages: All three, by the name of what they do.
    """

    def __init__(
        self,
        reactor: SteppedReactor,
        done: Done,
        writes: Callable[[Worker, Job], None] = post,
        reads: Callable[[Worker, Job], None] = post,
        readers: int = 1,
    ) -> None:
        self.stages = {
            "writing": Stage(1, writes, done, reactor),
            "reading": Stage(readers, reads, done, reactor),
            "streaming": Stage(1, post, done, reactor),
        }
        self.writing, self.reading, self.streaming = (one.lane for one in self.stages.values())


class Desk:
    """The jobs of a database on a Clock, whose threads are stepped.

    Args:
        writes: What a thread does with a job that writes.
        reads: What one does with a job that reads.
        readers: The most threads that read.
        settings: Those that are not as usual.

    Attributes:
        fares: What was told of connections: None where all is well again.
        chance: What is drawn for the next wait.
    """

    def __init__(
        self,
        writes: Callable[[Worker, Job], None] = post,
        reads: Callable[[Worker, Job], None] = post,
        readers: int = 1,
        **settings: Any,
    ) -> None:
        self.reactor = SteppedReactor()
        self.fares: list[DatabaseError | None] = []
        self.chance = 0.5
        self.settings = DatabaseSettings(**settings)
        self.work = Work(
            self.reactor,
            self.settings,
            lambda done: SteppedLanes(self.reactor, done, writes, reads, readers),
            self.fares.append,
            lambda: self.chance,
            Figures(),
        )
        lanes = self.work.lanes
        assert isinstance(lanes, SteppedLanes)
        self.stages = lanes.stages
        self.writing = lanes.stages["writing"]
        self.reading = lanes.stages["reading"]
        self.streaming = lanes.stages["streaming"]

    def begin(
        self,
        call: Callable[[Any], Any] = lambda _: "done",
        kind: Kind = Kind.TRANSACTION,
        seconds: float = 30.0,
        name: str = "a job",
    ) -> Job:
        return self.work.begin(call, kind, name, seconds)

    def standing(self, call: Callable[[Any], Any] = lambda _: "done") -> Callable[[Any], Any]:
        """A call, in the middle of which its thread stands still once."""

        def stands(session: Any) -> Any:
            self.writing.threads.stand()
            return call(session)

        return stands

    def turn(self, seconds: float = 0.0) -> None:
        self.reactor.advance(seconds)

    def threads(self) -> None:
        for one in self.stages.values():
            one.threads.run()

    def run(self, times: int = 1) -> None:
        """Let the threads do all that they can, and the reactor hear of it."""
        for _ in range(times):
            self.threads()
            self.turn()

    def finish(self) -> None:
        """Let each thread end, and the reactor hear of it."""
        for one in self.stages.values():
            one.threads.finish()
        self.turn()


@contextmanager
def desk(
    writes: Callable[[Worker, Job], None] = post,
    reads: Callable[[Worker, Job], None] = post,
    **settings: Any,
) -> Iterator[Desk]:
    """A Desk whose threads end with the test."""
    made = Desk(writes, reads, **settings)
    try:
        yield made
    finally:
        made.finish()


def error_in(job: Job) -> BaseException:
    """What a job has failed with."""
    found: list[Any] = []
    job.result.addErrback(lambda failure: found.append(failure.value))
    assert found, "it has not failed"
    error: BaseException = found[0]
    return error


def fails_with(*outcomes: BaseException | str) -> Any:
    """A call that comes to one after another of these."""
    left = list(outcomes)

    def call(_session: object) -> str:
        outcome = left.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return call
