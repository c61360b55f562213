"""The command as a shell sees it: lines, status, signals, pipes and terminals."""

from __future__ import annotations

import os
import pty
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.http.faults import Stall, answer, fault_server

ROOT = Path(__file__).parents[3]


class Command(ProcessProtocol):
    """`python -m apps.fetch`, run beside the test's reactor."""

    transport: Any

    def __init__(self) -> None:
        self.out = b""
        self.err = b""
        self.done: Deferred[int] = Deferred()
        self.heard: Deferred[None] = Deferred()

    def outReceived(self, data: bytes) -> None:
        self.out += data
        self._hear()

    def errReceived(self, data: bytes) -> None:
        self.err += data
        self._hear()

    def _hear(self) -> None:
        heard, self.heard = self.heard, Deferred()
        heard.callback(None)

    def processEnded(self, reason: Failure) -> None:
        assert isinstance(reason.value, ProcessDone | ProcessTerminated)
        status = reason.value.exitCode
        self.done.callback(-1 if status is None else status)

    async def lines(self, count: int) -> list[list[str]]:
        """Wait for so many lines; their columns."""
        while self.out.count(b"\n") < count:
            await self.heard
        return self.columns

    @property
    def columns(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.decode().splitlines()]


def start(reactor: Any, *arguments: str, shell: str | None = None, **environment: str) -> Command:
    command = Command()
    program = [sys.executable, "-m", "apps.fetch", *arguments]
    if shell is not None:  # a script that runs it: "$0" is Python, "$@" the arguments
        program = ["/bin/sh", "-c", shell, sys.executable, *arguments]
    reactor.spawnProcess(
        command,
        program[0],
        program,
        {**os.environ, "PYTHONPATH": str(ROOT), **environment},
        path=str(ROOT),
    )
    return command


async def outcome(reactor: Any, *arguments: str, **environment: str) -> tuple[int, Command]:
    command = start(reactor, *arguments, **environment)
    return await command.done, command


@pytest_twisted.ensureDeferred
async def test_each_url_has_its_line_and_all_good_is_status_0(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        urls = [server.url(f"/{n}", answer(b"x" * n)) for n in range(3)]
        status, command = await outcome(reactor, *urls)
    assert status == 0
    assert sorted((line[0], line[1], line[3]) for line in command.columns) == [
        ("200", str(n), urls[n]) for n in range(3)
    ]
    assert all(line[2].isdigit() for line in command.columns)


@pytest_twisted.ensureDeferred
async def test_one_that_fails_has_its_line_and_the_others_go_on(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        good = server.url("/", answer(b"x"))
        cut = server.url("/cut", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
        status, command = await outcome(reactor, "example.org", cut, good)
    lines = {line[3]: line for line in command.columns}
    assert status == 1
    assert lines["example.org"][:2] == ["invalid-url", "-"]
    assert int(lines["example.org"][2]) >= 0
    assert "write http://example.org/" in lines["example.org"][4]
    assert lines[cut][:2] == ["truncated", "-"]
    assert lines[good][:2] == ["200", "1"]
    assert len(lines[good]) == 4


@pytest_twisted.ensureDeferred
async def test_an_answer_of_400_is_status_1(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        url = server.url("/", answer(b"x", "404 Not Found"))
        status, command = await outcome(reactor, url)
    assert status == 1
    assert command.columns[0][:2] == ["404", "1"]


@pytest_twisted.ensureDeferred
async def test_urls_come_from_a_file_too(reactor: Any, tmp_path: Path) -> None:
    async with fault_server(reactor) as server:
        path = tmp_path / "urls"
        url = server.url("/", answer(b"x"))
        path.write_text(f"# mine\n\n{url}?1\n{url}?2\n")
        server.answers["/?1"] = server.answers["/?2"] = answer(b"y")
        status, command = await outcome(reactor, url, "-i", str(path))
    assert status == 0
    assert {line[3] for line in command.columns} == {url, f"{url}?1", f"{url}?2"}


@pytest_twisted.ensureDeferred
async def test_a_slow_pipe_is_answered_line_by_line(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        url = server.url("/", answer(b"x"))
        command = start(reactor, "-i", "-")
        for count in range(1, 4):
            command.transport.write(url.encode("ascii") + b"\n")
            await command.lines(count)
        command.transport.closeStdin()
        assert await command.done == 0
    assert len(command.columns) == 3


@pytest_twisted.ensureDeferred
async def test_thousands_of_lines_at_once_are_all_answered(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        url = server.url("/", answer(b"x"))
        command = start(reactor, "-i", "-", "--concurrency", "20")
        command.transport.write((url + "\nnonsense\n").encode("ascii") * 1500)
        command.transport.closeStdin()
        assert await command.done == 1
        assert server.connections <= 20
    assert sorted({line[0] for line in command.columns}) == ["200", "invalid-url"]
    assert len(command.columns) == 3000


@pytest_twisted.ensureDeferred
async def test_the_limits_are_options(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        big = server.url("/big", answer(b"x" * 1025))
        stalled = server.url("/stalled", Stall(b""))
        moved = server.url("/moved", answer(b"", "302 Found", "Location: /moved"))
        arguments = ["--max-bytes", "1K", "--timeout", "1", "--max-redirects", "2"]
        status, command = await outcome(reactor, *arguments, big, stalled, moved)
        assert len([head for head in server.requests if b"/moved" in head]) == 3
    assert status == 1
    assert {line[3]: line[0] for line in command.columns} == {
        big: "body-too-large",
        stalled: "deadline",
        moved: "too-many-redirects",
    }


@pytest_twisted.ensureDeferred
async def test_with_public_only_nothing_inside_is_connected_to(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        urls = [
            server.url("/", answer(b"x"), host) for host in ("127.0.0.1", "localhost", "0x7f.1")
        ]
        status, command = await outcome(reactor, "--public-only", *urls)
        assert server.connections == 0
    assert status == 1
    assert sorted((line[0], line[3]) for line in command.columns) == [
        ("address-refused", url) for url in sorted(urls)
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "there is no URL"),
        (("-i", "/no/such/file"), "cannot read URLs from /no/such/file: No such file"),
        (
            ("-i", "/no/urls", "--report", "/no/urls"),
            "-i and --report both name /no/urls; give each",
        ),
        (("-i", "."), "cannot read URLs from .: it is a directory"),
        (("-i", os.devnull), f"cannot read URLs from {os.devnull}: it has none"),
        (("--nonsense", "http://a/"), "--nonsense"),
        (("--concurrency", "0", "http://a/"), "expected a whole number from 1 to"),
        (("--timeout", "-1", "http://a/"), "expected seconds, more than 0, not '-1'"),
        (("--timeout", "nan", "http://a/"), "expected seconds"),
        (("--max-bytes", "16X", "http://a/"), "such as 65536, 64K or 16M, not '16X'"),
        (("--max-redirects", "x", "http://a/"), "expected a whole number"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_wrong_usage_is_one_line_and_status_2(
    reactor: Any, arguments: tuple[str, ...], said: str
) -> None:
    status, command = await outcome(reactor, *arguments)
    assert (status, command.out) == (2, b"")
    assert command.err.startswith(b"fetch: ")
    assert command.err.count(b"\n") == 1
    assert said in command.err.decode()


@pytest_twisted.ensureDeferred
async def test_options_stand_between_urls(reactor: Any) -> None:
    status, command = await outcome(reactor, "nonsense", "--format", "text", "-q", "nonsense")
    assert (status, len(command.columns), command.err) == (1, 2, b"")


@pytest.mark.parametrize("arguments", [(), ("-o", "-"), ("--dry-run",)])
@pytest_twisted.ensureDeferred
async def test_with_standard_output_closed_nothing_is_asked(
    reactor: Any, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    path = tmp_path / "urls"
    async with fault_server(reactor) as server:
        path.write_text(server.url("/", answer(b"x")))
        named = arguments or ("-i", str(path))  # opened, it would get the number 1
        script = 'exec "$0" -m apps.fetch "$@" >&-'
        command = start(reactor, *named, server.url("/"), shell=script)
        assert await command.done == 1
        assert server.connections == 0
    assert command.err == b"fetch: standard output is closed; let it go somewhere\n"


@pytest_twisted.ensureDeferred
async def test_with_the_other_standard_streams_closed_it_works(
    reactor: Any, tmp_path: Path
) -> None:
    path = tmp_path / "urls"
    path.write_text("nonsense\n")
    script = 'exec "$0" -m apps.fetch "$@" 0>&- 2>&-'
    command = start(reactor, "-i", str(path), shell=script)
    assert await command.done == 1
    assert [line[3] for line in command.columns] == ["nonsense"]
    assert path.read_text() == "nonsense\n"


@pytest_twisted.ensureDeferred
async def test_sigint_ends_with_130_and_says_what_is_not_finished(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        good = server.url("/good", answer(b"x"))
        stalled = server.url("/", Stall(b""))
        command = start(reactor, good, stalled, stalled, good, "--concurrency", "3")
        await command.lines(2)
        while len(server.requests) < 4:
            await server.asked
        os.kill(command.transport.pid, signal.SIGINT)
        assert await command.done == 130
        while server.open:
            await server.gone
    assert [line[0] for line in command.columns] == ["200", "200"]
    assert command.out.endswith(b"\n")
    assert b"2 URLs in" in command.err
    assert b"2 not finished" in command.err


@pytest_twisted.ensureDeferred
async def test_a_reader_that_goes_ends_it_quietly_with_141(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        url = server.url("/", answer(b"x"))
        command = start(reactor, "-i", "-")
        command.transport.write(url.encode("ascii") + b"\n")
        await command.lines(1)
        command.transport.closeStdout()
        command.transport.write(url.encode("ascii") + b"\n")
        assert await command.done == 141
    assert command.err == b""


@pytest_twisted.ensureDeferred
async def test_what_a_server_sends_cannot_reach_the_terminal(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        evil = server.url("/", b"HTTP/1.1 \x1b[31m\t200\nX\r\n\r\n")
        moved = server.url(
            "/m", answer(b"", "302 Found", "Location: http://\x1b[2J\x9b\xe2\x80\xae/")
        )
        status, command = await outcome(reactor, evil, moved, "http://a/\x1b[2J\tb\n\udcff")
    assert status == 1
    assert len(command.columns) == 3
    assert all(len(line) == 5 for line in command.columns[:3] if line[3] != evil)
    assert command.out.decode().replace("\t", "").replace("\n", "").isprintable()


@pytest_twisted.ensureDeferred
async def test_text_that_the_output_has_no_byte_for_is_escaped(reactor: Any) -> None:
    status, command = await outcome(reactor, "bücher", PYTHONIOENCODING="ascii")
    assert status == 1
    assert b"b\\xfccher" in command.out


@pytest_twisted.ensureDeferred
async def test_on_a_terminal_lines_are_aligned_and_a_summary_follows(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        urls = [server.url("/", answer(b"x")), "nonsense"]
        main, other = pty.openpty()
        command = Command()
        reactor.spawnProcess(
            command,
            sys.executable,
            [sys.executable, "-m", "apps.fetch", *urls],
            {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"},
            path=str(ROOT),
            childFDs={0: other, 1: other, 2: other},
        )
        os.close(other)
        status = await command.done
    seen = os.read(main, 65_536).decode()
    os.close(main)
    lines = [line.rpartition("\x1b[2K")[2] for line in seen.split("\r\n")]
    answered = next(line for line in lines if line.startswith("200"))
    failed = next(line for line in lines if line.startswith("invalid-url"))
    assert status == 1
    assert "\t" not in seen
    assert answered.index("http") == failed.index("nonsense")
    assert "2 URLs in" in seen
    assert "1 failed (invalid-url 1)" in seen
    assert seen.index("2 URLs in") > seen.index(answered)


@pytest_twisted.ensureDeferred
async def test_help_loads_no_reactor_and_no_library(reactor: Any) -> None:
    status, command = await outcome(reactor, "--help", PYTHONPROFILEIMPORTTIME="1")
    assert status == 0
    assert b"--max-redirects" in command.out
    loaded = command.err.decode()
    for name in ("twisted", "treq", "rich", "msgspec", "toolkit"):
        assert f" {name}\n" not in loaded, name
