"""Prove that the prompt reactor and transports are still Twisted, by Twisted's own tests.

    python -m tests.twisted_suite [prompt-reactor] [prompt-transports] [--suite NAME...]

Every suite runs in Twisted's epoll reactor and in ours, each time in a process of its own. A test
must end in ours as it does in Twisted's, on this machine: the same failures, the same skips for
the same reasons, and none more. One that ends otherwise is run again alone, at most twice, in
both; it counts only if it never ends the same. The tests need PyHamcrest, bcrypt and appdirs.
The exit status is 1 if a test differs, or if too little ran to prove anything.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.application import reactors
from twisted.internet import main
from twisted.python.reflect import namedAny, qual
from twisted.trial import reporter, runner

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("OpenSSL", "appdirs", "bcrypt", "hamcrest")  # without one, whole modules are not imported
AT_ONCE = 2
DEADLINE_SECONDS = 150.0  # for a suite in one reactor
RERUNS = 2
RERUN_AT_MOST = 10  # that many differences are no chance

STOCK = "stock"
BUILT = {  # what ReactorBuilder makes its reactors with
    STOCK: "twisted.internet.epollreactor.EPollReactor",
    "prompt-reactor": "toolkit.reactor.PromptReactor",
    "prompt-transports": "tests.twisted_suite.prompt_transports",
}
OURS = ("prompt-reactor", "prompt-transports")
BUILT_TESTS = "_AnyReactorTests"  # for the end of the names of the classes that it makes
REACTORS = {**BUILT, "prompt-transports": "toolkit.transport.Wrapped"}  # their classes


def _under(prefix: str, names: str) -> tuple[str, ...]:
    return tuple(prefix + name for name in names.split())


SKIPPED_EVERYWHERE = {
    # It skips epoll's reactor, which cannot pass it, by the name of its class. A reactor of
    # another name hangs, and the reactors of all the tests after it are broken.
    "twisted.internet.test.test_fdset.ReactorFDSetTestsBuilder.test_lostFileDescriptor": (
        "epoll cannot detect lost file descriptors"
    )
}
EXCEPTED = {
    "prompt-transports": {
        # These four set an attribute that the reactor is to find in itself, and set it on the
        # object that prompt() gave them.
        f"twisted.internet.test.test_core.SystemEventTestsBuilder{BUILT_TESTS}"
        ".test_shutdownDisconnectsCleanly": "failure",
        f"twisted.internet.test.test_process.ProcessTestsBuilder{BUILT_TESTS}"
        ".test_errorDuringExec": "failure",
        **dict.fromkeys(
            _under(
                "twisted.test.test_internet.TimeTests.test_callLaterUsesReactorSeconds",
                "AsDelayedCallSecondsFactory InDelayedCall",
            ),
            "failure",
        ),
        # These start a process that installs the reactor of its class's module.
        "twisted.test.test_internet.ResolveTests.testChildResolve": "failure",
        "twisted.test.test_threads.StartupBehaviorTests.testCallBeforeStartupUnexecuted": "failure",
        # It asks for an instance of PosixReactorBase, to test a port that it makes without it.
        "twisted.internet.test.test_posixbase.TCPPortTests.test_connectionLostFailed": (
            "skip: Non-posixbase reactor"
        ),
    }
}
"""Tests that end otherwise, for the reason given, and how."""

TCP = frozenset({"_TCPServer", "_TCPClient"})
UNIX = frozenset({"_UNIXServer", "_UNIXClient"})


@dataclass(frozen=True)
class Suite:
    """Some of Twisted's tests: how many run at least, over which streams, in which reactors."""

    names: tuple[str, ...]
    floor: int
    streams: frozenset[str]
    reactors: tuple[str, ...] = OURS


SUITES = {
    "internet": Suite(("twisted.internet",), 850, TCP | UNIX),
    "web": Suite(("twisted.web",), 1350, TCP, OURS[:1]),
    "tls": Suite(
        (
            "twisted.protocols.test.test_tls",
            *_under("twisted.test.test_", "sni ssl"),
            # The rest of this module makes keys, for half a minute, and connects nothing.
            "twisted.test.test_sslverify.OpenSSLOptionsECDHIntegrationTests",
            *_under(
                "twisted.test.test_sslverify.OpenSSLOptionsTests.test_",
                "allowedAnonymousClientConnection failedCertificateVerification "
                "refusedAnonymousClientConnection successfulCertificateVerification "
                "successfulSymmetricSelfSignedCertificateVerification verification",
            ),
        ),
        75,
        TCP,
        OURS[:1],
    ),
    "streams": Suite(
        (
            *_under("twisted.", "mail names spread words protocols.test.test_basic"),
            *_under(
                "twisted.test.test_",
                "abstract amp application factories finger ftp ident internet iosim loopback "
                "memcache policies protocols socks strports tcp tcp_internals threads tpfile "
                "udp unix",
            ),
        ),
        2600,
        TCP | UNIX,
    ),
    "conch": Suite(
        # The rest makes keys, or talks over a terminal.
        _under("twisted.conch.test.test_", "conch connection filetransfer session ssh telnet"),
        150,
        TCP,
        OURS[:1],
    ),
}


FAILURES = ("failure", "error", "unexpected success", "not imported")


@dataclass
class Run:
    """How each test ended in one process."""

    ended: dict[str, str] = field(default_factory=dict)
    tracebacks: dict[str, str] = field(default_factory=dict)
    reactor: str = ""  # its class
    streams: set[str] = field(default_factory=set)
    seconds: float = 0.0
    broken: str = ""  # why it proves nothing

    def ran(self) -> int:
        """How many tests ran: those that were not skipped."""
        return sum(not end.startswith(("skip", "not imported")) for end in self.ended.values())

    def failed(self) -> list[str]:
        """The tests that failed, and the modules that were not imported."""
        return [test for test, end in self.ended.items() if end in FAILURES]


def differences(
    stock: Mapping[str, str], ours: Mapping[str, str], excepted: Mapping[str, str]
) -> list[str]:
    """The tests that end otherwise in ours, but for those that end as excepted."""
    return sorted(
        test
        for test in stock.keys() | ours.keys()
        if stock.get(test) != ours.get(test)
        and (test not in excepted or excepted[test] != ours.get(test))
    )


def any_reactor(test: str, subject: str) -> str:
    """The name of a test, whichever reactor it was built for."""
    return test.replace(_built_tests(subject), BUILT_TESTS)


def of_reactor(test: str, subject: str) -> str:
    """The name by which trial finds a test that was built for this reactor."""
    return test.partition("#")[0].replace(BUILT_TESTS, _built_tests(subject))


def _built_tests(subject: str) -> str:
    return f"_{BUILT[subject].rpartition('.')[2]}Tests"


# In the child


def prompt_transports(_case: object = None) -> Any:
    """The default reactor with the prompt transports."""
    from twisted.internet.epollreactor import EPollReactor

    from toolkit.transport import prompt

    return prompt(EPollReactor())


class Recorder(reporter.TestResult):
    """Writes down how each test ends, as soon as it does: the process may not live to tell."""

    def __init__(self, subject: str, out: Any) -> None:
        super().__init__()
        self._subject = subject
        self._out = out
        self._times: Counter[str] = Counter()

    def write(self, **line: Any) -> None:
        """Write a line."""
        self._out.write(json.dumps(line) + "\n")

    def _name(self, test: Any) -> str:
        name = any_reactor(test.id(), self._subject)
        times = self._times[name]
        return f"{name}#{times}" if times > 1 else name

    def _ends(self, test: Any, end: str, failure: Any = None) -> None:
        traceback = "" if failure is None else self._getFailure(failure).getTraceback()
        self.write(test=self._name(test), end=end, traceback=traceback[-3000:])

    def startTest(self, test: Any) -> None:
        super().startTest(test)
        self._times[any_reactor(test.id(), self._subject)] += 1
        self.write(test=self._name(test), end="did not end", traceback="")

    def addSuccess(self, test: Any) -> None:
        super().addSuccess(test)
        self._ends(test, "ok")

    def addFailure(self, test: Any, fail: Any) -> None:
        super().addFailure(test, fail)
        self._ends(test, "failure", fail)

    def addError(self, test: Any, error: Any) -> None:
        super().addError(test, error)
        self._ends(test, "not imported" if isinstance(test, runner.ErrorHolder) else "error", error)

    def addSkip(self, test: Any, reason: Any) -> None:
        super().addSkip(test, reason)
        self._ends(test, f"skip: {str(reason).replace(REACTORS[self._subject], 'the reactor')}")

    def addExpectedFailure(self, test: Any, error: Any, todo: Any = None) -> None:
        super().addExpectedFailure(test, error, todo)
        self._ends(test, "expected failure")

    def addUnexpectedSuccess(self, test: Any, todo: Any = None) -> None:
        super().addUnexpectedSuccess(test, todo)
        self._ends(test, "unexpected success")


def child(subject: str, out: str, names: list[str]) -> None:
    """Run the tests in the reactor, and write down what came of it."""
    if subject == "prompt-transports":
        main.installReactor(prompt_transports())
    else:  # as trial --reactor does
        reactors.installReactor("epoll" if subject == STOCK else "prompt")
    sent: set[str] = set()
    if subject != STOCK:
        _note_streams(sent)
    reactor = qual(type(sys.modules["twisted.internet.reactor"]))
    # Its module may import the reactor, as those of the tests do.
    builder: Any = namedAny("twisted.internet.test.reactormixins.ReactorBuilder")
    builder._reactors = [BUILT[subject]]
    for name, why in SKIPPED_EVERYWHERE.items():
        namedAny(name).skip = why
    suite = runner.TestLoader().loadByNames(names, recurse=True)
    with open(out, "w", buffering=1) as lines:
        recorder = Recorder(subject, lines)
        runner.TrialRunner(lambda *_: recorder).run(suite)
        recorder.write(reactor=reactor, streams=sorted(sent))


def _note_streams(sent: set[str]) -> None:
    from toolkit.transport import Gathering

    real = Gathering._send

    def send(self: Gathering) -> None:
        sent.add(type(self).__name__)
        real(self)

    Gathering._send = send  # type: ignore[method-assign] # only to know that it was called


# In the parent


def run(subject: str, names: Iterable[str]) -> Run:
    """Run tests in a process of their own, where they may do to it what they like."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        out, log = Path(directory, "ends"), Path(directory, "log")
        program = [sys.executable, "-m", "tests.twisted_suite", "--child", subject, str(out)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*program, *names],
                cwd=directory,
                env={**os.environ, "PYTHONPATH": _path()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            status = str(process.wait(DEADLINE_SECONDS))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            status = f"killed after {DEADLINE_SECONDS:.0f} s"
        result = read(out.read_text().splitlines() if out.exists() else [])
        result.seconds = time.monotonic() - began
        if result.broken:
            tail = log.read_text(errors="replace").splitlines()[-15:]
            result.broken = "\n".join([f"{result.broken} (status {status})", *tail])
    return result


def _path() -> str:
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


def read(lines: Iterable[str]) -> Run:
    """What a child wrote down. A test may fail more than once: its first failure counts."""
    result = Run(broken="it did not run to the end")
    for line in map(json.loads, lines):
        if "streams" in line:
            result.reactor = line["reactor"]
            result.streams = set(line["streams"])
            result.broken = ""
            continue
        test = line["test"]
        if result.ended.get(test) not in FAILURES:
            result.ended[test] = line["end"]
            result.tracebacks[test] = line["traceback"]
    unended = [test for test, end in result.ended.items() if end == "did not end"]
    if unended:
        result.broken = f"it did not run to the end of {unended[-1]}"
    return result


def unproven(subject: str, suite: Suite, stock: Run, ours: Run) -> list[str]:
    """Why nothing is proven, even if no test differs."""
    why = []
    if stock.ran() < suite.floor:
        why.append(f"only {stock.ran()} tests ran, of at least {suite.floor}")
    for reactor, one in ((STOCK, stock), (subject, ours)):
        if one.broken:
            why.append(f"{reactor}: {one.broken}")
        elif one.reactor != REACTORS[reactor]:
            why.append(f"{reactor}: the reactor was {one.reactor}")
    silent = sorted(suite.streams - ours.streams)
    if silent:
        why.append(f"nothing was sent over {', '.join(silent)}")
    return why


def never_the_same(subject: str, tests: Iterable[str]) -> list[str]:
    """Those of the tests that end otherwise each time they run alone, too."""
    remaining = list(tests)
    for _ in range(RERUNS):
        remaining = [test for test in remaining if not _ends_the_same(subject, test)]
    return remaining


def _ends_the_same(subject: str, test: str) -> bool:
    name = test.partition("#")[0]
    ends = [
        run(reactor, [of_reactor(name, reactor)]).ended.get(name) for reactor in (STOCK, subject)
    ]
    return ends[0] is not None and ends[0] == ends[1]


def compare(subject: str, suite: Suite, stock: Run, ours: Run) -> tuple[list[str], list[str]]:
    """Compare two runs.

    Returns:
        What is wrong, and what is only to be mentioned.
    """
    wrong, notes = unproven(subject, suite, stock, ours), []
    excepted = EXCEPTED.get(subject, {})
    different = differences(stock.ended, ours.ended, excepted)
    for test in set(excepted) & stock.ended.keys():
        if stock.ended[test] == ours.ended.get(test):
            notes.append(f"need not be excepted any more: {test}")
    if not wrong and len(different) <= RERUN_AT_MOST:
        lasting = never_the_same(subject, different)
        notes += [
            f"ended {_both(test, stock, ours)}; alone, the same: {test}"
            for test in different
            if test not in lasting
        ]
        different = lasting
    for test in different:
        tracebacks = [one.tracebacks.get(test, "") for one in (stock, ours)]
        wrong.append("\n".join([f"ends {_both(test, stock, ours)}: {test}", *tracebacks]).strip())
    return wrong, notes


def _both(test: str, stock: Run, ours: Run) -> str:
    ends = [one.ended.get(test, "not there") for one in (stock, ours)]
    return f"[{ends[0]}] in stock, [{ends[1]}] in ours"


HEADER = (
    f"{'suite':<10} {'reactor':<18} {'tests':>6} {'ran':>6} {'failed':>7} {'wrong':>6} {'s':>6}"
)


def _row(suite: str, subject: str, one: Run, wrong: int | None = None) -> str:
    counts = f"{len(one.ended):>6} {one.ran():>6} {len(one.failed()):>7}"
    shown = "" if wrong is None else wrong
    return f"{suite:<10} {subject:<18} {counts} {shown:>6} {one.seconds:>6.1f}"


def compare_all(pairs: Mapping[str, list[str]]) -> int:
    """Run suites, each in some of our reactors, and print what came of it.

    Returns:
        The exit status.
    """
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {
            (name, subject): pool.submit(run, subject, SUITES[name].names)
            for name, subjects in pairs.items()
            for subject in (STOCK, *subjects)
        }
    print(HEADER)
    lines, status = [], 0
    for name, subjects in pairs.items():
        stock = running[name, STOCK].result()
        print(_row(name, STOCK, stock))
        lines += [f"in stock too ({stock.ended[test]}): {test}" for test in stock.failed()]
        for subject in subjects:
            ours = running[name, subject].result()
            wrong, notes = compare(subject, SUITES[name], stock, ours)
            print(_row(name, subject, ours, len(wrong)))
            lines += [f"note: {name}, {subject}: {line}" for line in notes]
            lines += [f"WRONG: {name}, {subject}: {line}" for line in wrong]
            status |= bool(wrong)
    print(*lines, f"{time.monotonic() - began:.0f} s in all", sep="\n")
    return status


def _arguments() -> dict[str, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m tests.twisted_suite")
    parser.add_argument("reactors", nargs="*", default=OURS, help=" or ".join(OURS))
    parser.add_argument("--suite", nargs="+", choices=SUITES, default=list(SUITES))
    arguments = parser.parse_args()
    pairs = {
        name: [reactor for reactor in SUITES[name].reactors if reactor in arguments.reactors]
        for name in arguments.suite
    }
    unknown = set(arguments.reactors) - set(OURS)
    if unknown or not any(pairs.values()):
        parser.error(f"no suite is for {', '.join(unknown or arguments.reactors)}")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        parser.error(f"Twisted's tests need {', '.join(missing)}")
    return {name: reactors for name, reactors in pairs.items() if reactors}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], sys.argv[4:])
    else:
        sys.exit(compare_all(_arguments()))
