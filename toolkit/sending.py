"""Send a file or a pipe over a connection, no faster than its peer takes it."""

from __future__ import annotations

import io
import os
import stat
from typing import Any, BinaryIO, cast

from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.fdesc import readFromFD
from twisted.internet.interfaces import IConsumer, IReactorFDSet
from twisted.protocols.basic import FileSender
from twisted.python.failure import Failure

CHUNK_BYTES = 64 * 1024


def send_file(reactor: IReactorFDSet, file: BinaryIO, consumer: IConsumer) -> Deferred[None]:
    """Write what a file holds to a transport, with back-pressure.

    A regular file, or one in memory, is read piece by piece as the transport has room. Of a pipe,
    a terminal or a socket is read what is there when it is there; nothing waits, and it is not
    made non-blocking, since other processes may hold it as well.

    Args:
        reactor: The reactor.
        file: Open for reading in binary; stays open.
        consumer: The transport; it must have no producer.

    Returns:
        A Deferred that fires when the last byte has been handed to the transport, and fails with
        OSError when the file cannot be read. When the connection is lost it fails as well; the
        protocol is told why.
    """
    done: Deferred[None]
    if _waits(file):
        pipe = _Pipe(reactor, file.fileno(), consumer)
        done = pipe.done
        consumer.registerProducer(pipe, True)
        pipe.startReading()
    else:
        done = _Sender().beginFileTransfer(file, consumer)
    return done.addCallback(lambda _: None)


def _waits(file: BinaryIO) -> bool:
    """Whether reading may have to wait: not where there is a disk or memory behind it."""
    try:
        return not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except io.UnsupportedOperation:
        return False


class _Sender(FileSender):
    """Twisted's own, but a file that cannot be read fails the Deferred and not the reactor."""

    CHUNK_SIZE = CHUNK_BYTES

    def resumeProducing(self) -> None:
        try:
            super().resumeProducing()
        except OSError:
            self.consumer.unregisterProducer()
            done, self.deferred = self.deferred, None
            if done is not None:
                cast(Any, done).errback(Failure())


class _Pipe(FileDescriptor):
    """A descriptor that is read when the reactor says that something is there."""

    connected = 1

    def __init__(self, reactor: IReactorFDSet, descriptor: int, consumer: IConsumer) -> None:
        super().__init__(reactor)
        self._descriptor = descriptor
        self._consumer = consumer
        self.done: Deferred[None] = Deferred()

    def fileno(self) -> int:
        return self._descriptor

    def logPrefix(self) -> str:
        return "sending"

    def doRead(self) -> object:
        return readFromFD(self._descriptor, self._consumer.write)

    def stopProducing(self) -> None:
        super().connectionLost(None)
        self._end(Failure(ConnectionDone()))

    def connectionLost(self, reason: Failure) -> None:
        super().connectionLost(reason)
        self._consumer.unregisterProducer()
        if reason.check(ConnectionDone):
            self._end(None)
        else:
            self._end(Failure(OSError("it cannot be read")))

    def _end(self, outcome: Failure | None) -> None:
        if not self.done.called:
            self.done.callback(cast(None, outcome))
