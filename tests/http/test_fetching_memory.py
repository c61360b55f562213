"""What a server sends costs no more memory than is allowed, however much it unpacks to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.http.coded import bomb
from tests.http.faults import answer, fetching
from tests.processes import Start

FETCHES = """
import sys
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from toolkit.http.failures import FetchError
from toolkit.http.fetcher import Fetcher, FetchSettings

def memory(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name))

async def main():
    fetcher = Fetcher(reactor, FetchSettings(retries=0))
    await fetcher.get(sys.argv[1])
    for url in sys.argv[2:]:
        with open("/proc/self/clear_refs", "w") as peak:
            peak.write("5")  # VmHWM begins again (proc(5))
        before = memory("VmRSS")
        try:
            code = len((await fetcher.get(url)).body)
        except FetchError as error:
            code = error.code
        print(url.rpartition("/")[2], code, memory("VmHWM") - before)
    await fetcher.close()

def started():
    Deferred.fromCoroutine(main()).addErrback(lambda f: f.printTraceback()).addBoth(
        lambda _: reactor.stop())

reactor.callWhenRunning(started)
reactor.run()
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest_twisted.ensureDeferred
async def test_a_bomb_of_10_gib_costs_less_than_32_mib(reactor: Any, start: Start) -> None:
    async with fetching(reactor) as (_, server):
        urls = [server.url("/warm", answer(b"x" * 100_000))]
        for coding in ("gzip", "deflate", "br", "zstd"):
            data = answer(bomb(coding, 10), "200 OK", f"Content-Encoding: {coding}")
            urls.append(server.url(f"/{coding}", data))
        program = start("python", "-c", FETCHES, *urls, cwd=Path(__file__).parents[2])
        assert await program.ended() == 0, program.err
    told = re.findall(r"(\w+) ([\w-]+) (-?\d+)\n", program.out)
    assert [coding for coding, *_ in told] == ["gzip", "deflate", "br", "zstd"], program.err
    for coding, code, kib in told:
        assert code == "body-too-large", coding
        # 16 MiB of it are kept until there is one byte more. The largest window of brotli is 16 MiB
        # too (RFC 7932 §9.1); the usual one, of 4 MiB, is far within.
        assert int(kib) < (33 if coding == "br" else 32) * 1024, coding
