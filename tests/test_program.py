"""run ends a program with the exit status, and the words, that a shell expects."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PREAMBLE = """
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import deferLater
from toolkit.errors import SettingsError, ToolkitError
from toolkit.program import run

def say(*words):
    print(*words, flush=True)
"""


class Ended(NamedTuple):
    status: int
    out: str
    err: str


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program of these lines; `args` may hold shell redirections after `sh`."""
    processes: list[subprocess.Popen[str]] = []

    def begin(code: str, shell: str = "exec {}") -> subprocess.Popen[str]:
        script = tmp_path / "program.py"
        script.write_text(PREAMBLE + textwrap.dedent(code))
        process = subprocess.Popen(
            ["bash", "-c", shell.format(f"{sys.executable} {script}")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate(timeout=20)
    return Ended(process.returncode, out, err)


def wait_for_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == line + "\n"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("async def main(reactor): pass", 0),
        ("async def main(reactor): return 3", 3),
        ("def main(reactor): return 3", 3),
        ("def main(reactor): return None", 0),
        ("def main(reactor): return succeed(4)", 4),
        ("def main(reactor): return deferLater(reactor, 0, lambda: 5)", 5),
        ("async def main(reactor): return 'words'", 0),
        ("async def main(reactor): return [3]", 0),
        ("async def main(reactor): return True", 1),
        ("async def main(reactor): raise SystemExit", 0),
        ("async def main(reactor): raise SystemExit(7)", 7),
        ("def main(reactor): raise SystemExit(8)", 8),
        ("async def main(reactor): reactor.stop()", 0),
    ],
)
def test_what_main_gives_is_the_exit_status(start: Start, body: str, status: int) -> None:
    assert ended(start(f"{body}\nrun(main)")) == (status, "", "")


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_toolkit_error_is_one_line(start: Start, kind: str) -> None:
    process = start(f"{kind} main(reactor): raise ToolkitError('the disk is gone')\nrun(main)")
    assert ended(process) == (1, "", "program: the disk is gone\n")


def test_the_program_may_be_named(start: Start) -> None:
    process = start("async def main(r): raise ToolkitError('no')\nrun(main, program='fetch')")
    assert ended(process) == (1, "", "fetch: no\n")


def test_the_message_of_a_system_exit_is_printed(start: Start) -> None:
    assert ended(start("async def main(r): raise SystemExit('no such city')\nrun(main)")) == (
        1,
        "",
        "no such city\n",
    )


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_bug_is_a_traceback_printed_once(start: Start, kind: str) -> None:
    status, out, err = ended(start(f"{kind} main(reactor):\n    1 / 0\nrun(main)"))
    assert (status, out) == (1, "")
    assert err.count("ZeroDivisionError") == 1
    assert err.count("Traceback (most recent call last)") == 1
    assert "1 / 0" in err
    assert "Unhandled" not in err


def test_a_bug_after_a_wait_shows_the_line_it_is_in(start: Start) -> None:
    status, _, err = ended(
        start(
            """
            async def inner(reactor):
                await deferLater(reactor, 0, lambda: None)
                raise KeyError("the bug")
            async def main(reactor):
                await inner(reactor)
            run(main)
            """
        )
    )
    assert status == 1
    assert 'raise KeyError("the bug")' in err
    assert err.count("Traceback") == 1


def test_a_cancellation_that_nobody_asked_for_is_a_bug(start: Start) -> None:
    status, _, err = ended(start("async def main(r): raise CancelledError()\nrun(main)"))
    assert status == 1
    assert "CancelledError" in err


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_generators_exit_that_main_raises_is_a_bug(start: Start, kind: str) -> None:
    status, out, err = ended(start(f"{kind} main(reactor): raise GeneratorExit\nrun(main)"))
    assert (status, out) == (1, "")
    assert err.count("Traceback") == 1
    assert err.endswith("GeneratorExit\n")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_main_and_its_cleanup_runs(start: Start, number: int, status: int) -> None:
    process = start(
        """
        async def main(reactor):
            try:
                say("ready")
                await Deferred()
            finally:
                await deferLater(reactor, 0.01, lambda: None)
                say("cleaned up")
        run(main)
        """
    )
    wait_for_line(process, "ready")
    process.send_signal(number)
    assert ended(process) == (status, "cleaned up\n", "")


def test_a_main_that_ends_well_when_cancelled_ends_with_the_signals_status(start: Start) -> None:
    process = start(
        """
        async def main(reactor):
            try:
                say("ready")
                await Deferred()
            except CancelledError:
                return 0
        run(main)
        """
    )
    wait_for_line(process, "ready")
    process.send_signal(signal.SIGINT)
    assert ended(process) == (130, "", "")


def test_a_bug_in_the_cleanup_is_still_told(start: Start) -> None:
    process = start(
        """
        async def main(reactor):
            try:
                say("ready")
                await Deferred()
            finally:
                1 / 0
        run(main)
        """
    )
    wait_for_line(process, "ready")
    process.send_signal(signal.SIGTERM)
    status, _, err = ended(process)
    assert status == 143
    assert "ZeroDivisionError" in err


HANGS = """
async def main(reactor):
    while True:
        try:
            say("ready")
            await Deferred()
        except CancelledError:
            say("not now")
"""


def test_a_second_signal_ends_a_program_whose_cleanup_hangs(start: Start) -> None:
    process = start(HANGS + "run(main, grace_seconds=1000)")
    wait_for_line(process, "ready")
    process.send_signal(signal.SIGTERM)
    wait_for_line(process, "not now")
    process.send_signal(signal.SIGINT)
    status, _, err = ended(process)
    assert (status, err) == (143, "")


def test_what_ignores_its_cancellation_ends_with_the_grace(start: Start) -> None:
    process = start(HANGS + "run(main, grace_seconds=0.1)")
    wait_for_line(process, "ready")
    process.send_signal(signal.SIGINT)
    wait_for_line(process, "not now")
    status, _, err = ended(process)
    assert (status, err) == (130, "")


STUCK_THREAD = """
import threading, time
from twisted.internet.threads import deferToThread
async def main(reactor):
    begun = threading.Event()
    def job():
        begun.set()
        time.sleep(1000)
    deferToThread(job)
    begun.wait()
    print("not flushed yet")
"""


def test_a_job_that_is_stuck_in_a_thread_does_not_keep_the_program(start: Start) -> None:
    process = start(STUCK_THREAD + "    return 6\nrun(main, grace_seconds=0.1)")
    assert ended(process) == (6, "not flushed yet\n", "")


def test_a_signal_ends_a_program_whose_thread_is_stuck(start: Start) -> None:
    code = STUCK_THREAD + "    say('ready')\n    await Deferred()\nrun(main, grace_seconds=0.1)"
    process = start(code)
    wait_for_line(process, "not flushed yet")
    wait_for_line(process, "ready")
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (143, "", "")


def test_a_job_in_a_thread_that_ends_in_time_is_waited_for(start: Start) -> None:
    process = start(
        """
        import threading
        from twisted.internet.threads import deferToThread
        async def main(reactor):
            stopping = threading.Event()
            begun = threading.Event()
            def job():
                begun.set()
                stopping.wait()
                say("written")
            deferToThread(job)
            begun.wait()
            reactor.addSystemEventTrigger("before", "shutdown", stopping.set)
        run(main)
        """
    )
    assert ended(process) == (0, "written\n", "")


@pytest.mark.parametrize("flush", ["True", "False"])
def test_a_reader_that_has_gone_ends_it_quietly(start: Start, flush: str) -> None:
    process = start(
        f"""
        async def main(reactor):
            for number in range(100_000):
                print(number, flush={flush})
        run(main)
        """,
        shell="{} | head -1; exit ${{PIPESTATUS[0]}}",
    )
    assert ended(process) == (141, "0\n", "")


def test_a_reader_that_has_gone_before_the_last_flush_ends_it_quietly(start: Start) -> None:
    process = start(
        """
        import sys
        async def main(reactor):
            print("one line, still in the buffer")
            sys.stdin.readline()
        run(main)
        """,
        # The reader of the pipe goes first; only then may the program go on.
        shell="mkfifo go.$$; {{ {} < go.$$; echo $? >&2; }} | {{ exec 0<&-; echo > go.$$; }}; "
        "rm go.$$",
    )
    assert ended(process).err == "141\n"


@pytest.mark.parametrize("error", ["ToolkitError('no')", "KeyError('a bug')"])
@pytest.mark.parametrize("shell", ["exec {} 2>&-", "exec {} 2>/dev/full"])
def test_an_error_that_cannot_be_printed_still_ends_the_program(
    start: Start, error: str, shell: str
) -> None:
    process = start(f"async def main(reactor): raise {error}\nrun(main)", shell)
    assert ended(process)[:2] == (1, "")


def test_a_closed_stdout_is_no_error(start: Start) -> None:
    process = start("async def main(reactor): print('x')\nrun(main)", "exec {} >&-")
    assert ended(process) == (0, "", "")


def test_a_full_disk_is_one_line(start: Start) -> None:
    process = start("async def main(reactor): print('x')\nrun(main)", "exec {} >/dev/full")
    assert ended(process) == (1, "", "program: cannot write the output: No space left on device\n")


def test_a_script_may_have_imported_the_reactor_before(start: Start) -> None:
    process = start(
        """
        from twisted.internet import reactor
        async def main(given):
            return 9 if given is reactor else 1
        run(main)
        """
    )
    assert ended(process) == (9, "", "")


def test_a_signal_before_main_has_waited_at_all_cancels_it(start: Start) -> None:
    process = start(
        """
        import os, signal
        async def main(reactor):
            os.kill(os.getpid(), signal.SIGINT)
            await Deferred()
        run(main)
        """
    )
    assert ended(process) == (130, "", "")


def test_a_signal_while_the_reactor_starts_is_not_lost(start: Start) -> None:
    process = start(
        """
        import os, signal
        from twisted.internet import reactor
        reactor.callWhenRunning(os.kill, os.getpid(), signal.SIGTERM)
        async def main(reactor):
            await Deferred()
        run(main)
        """
    )
    assert ended(process) == (143, "", "")


def test_an_end_that_takes_longer_than_the_grace_is_cut_short_quietly(start: Start) -> None:
    process = start(
        """
        async def main(reactor):
            reactor.addSystemEventTrigger("before", "shutdown", Deferred)
            say("ready")
            await Deferred()
        run(main, grace_seconds=0.1)
        """
    )
    wait_for_line(process, "ready")
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (143, "", "")


def test_a_thread_of_the_programs_own_is_pythons_to_wait_for(start: Start) -> None:
    process = start(
        """
        import threading, time
        def takes_longer_than_the_grace():
            threading.main_thread().join()
            time.sleep(0.3)
            say("done")
        async def main(reactor):
            threading.Thread(target=takes_longer_than_the_grace).start()
        run(main, grace_seconds=0.1)
        """
    )
    assert ended(process) == (0, "done\n", "")


def test_importing_run_installs_no_reactor() -> None:
    code = "import sys, toolkit.program; sys.exit('twisted.internet.reactor' in sys.modules)"
    done: Any = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_stream_is_nowhere(start: Start, closed: str) -> None:
    process = start(
        """
        import sys
        def main(reactor):
            print("out", sys.stdin.read())
            print("err", file=sys.stderr)
            return 7
        run(main)
        """,
        shell="exec {} " + ("</dev/null " if "<" not in closed else "") + closed,
    )
    assert ended(process).status == 7


def test_a_disk_that_fills_while_it_prints_is_one_line(start: Start) -> None:
    process = start(
        """
        def main(reactor):
            print("x" * 100_000)
        run(main, program="fill")
        """,
        shell="exec {} >/dev/full",
    )
    assert ended(process) == (1, "", "fill: cannot write the output: No space left on device\n")


@pytest.mark.parametrize("status", [256, -1, 10**9])
def test_a_status_that_no_shell_can_see_is_1(start: Start, status: int) -> None:
    assert ended(start(f"run(lambda reactor: {status})")).status == 1
