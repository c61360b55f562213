"""apps.fetch as a whole process: many URLs beside an aiohttp script and curl, and one large file.

`python -m tests.bench.fetch_program FILE` is the aiohttp script: it asks for the URLs of a file, 50
at once, and writes the same lines of JSON as `python -m apps.fetch --format jsonl`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.contest import installed, on_the_last_core, rounds_of, show
from tests.bench.nginx import Nginx, nginx

AT_ONCE = 50
GIB = 1024**3


def compare(urls: int, rounds: int, million: int) -> None:
    """Measure and print tables.

    Args:
        urls: How many URLs of 1 KB are fetched.
        rounds: How many measurements of each contender.
        million: How many URLs come by stdin, for the memory that takes; 0 for none.
    """
    with on_the_last_core() as core, nginx(max(os.sched_getaffinity(0))) as server:
        if server is None:
            print("fetch-program is left out: nginx is not installed")
            return
        with tempfile.TemporaryDirectory() as folder:
            _many(server, core, Path(folder), urls, rounds)
            _large(server, core, Path(folder), rounds)
            if million:
                _endless(server, core, million)


def _run(core: int, command: list[str], **options: object) -> tuple[float, int]:
    """Seconds by the clock, and the most memory in KiB."""
    began = time.monotonic()
    process = subprocess.Popen(  # type: ignore[call-overload] # options of its own
        command, preexec_fn=lambda: os.sched_setaffinity(0, {core}), **options
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[:4]} ended with {process.returncode}")
    return seconds, usage.ru_maxrss


def _many(server: Nginx, core: int, folder: Path, urls: int, rounds: int) -> None:
    asked = [f"{server.url}page/{number}?of={urls}" for number in range(urls)]
    listed = folder / "urls"
    listed.write_text("".join(f"{url}\n" for url in asked))
    config = folder / "curl.config"
    config.write_text("".join(f'url = "{url}"\noutput = "/dev/null"\n' for url in asked))
    python = sys.executable
    commands = {
        "aiohttp": [python, "-m", "tests.bench.fetch_program", str(listed)],
        "apps.fetch": [
            python, "-m", "apps.fetch", "-i", str(listed), "--format", "jsonl",
            "--concurrency", str(AT_ONCE), "--per-host", str(AT_ONCE),
        ],
        "curl": [
            "curl", "--silent", "--parallel", "--parallel-max", str(AT_ONCE), "--config",
            str(config), "--write-out", "%{json}\\n",
        ],
    }  # fmt: skip
    contenders = [
        name for name in installed(list(commands)) if name != "curl" or shutil.which("curl")
    ]

    def measure(name: str) -> float:
        with (folder / name).open("wb") as output:
            seconds, _ = _run(core, commands[name], stdout=output, stderr=subprocess.DEVNULL)
        if name != "curl":
            with (folder / name).open("rb") as lines:
                assert sum(json.loads(line)["status"] == 200 for line in lines) == urls
        return urls / seconds

    title = f"{urls:,} URLs of 1 KB to JSON lines, whole processes"
    show(title, "URLs/s", rounds_of(contenders, rounds, measure), {"apps.fetch": "curl"})


def _large(server: Nginx, core: int, folder: Path, rounds: int) -> None:
    large = server.files / "large"
    block = os.urandom(1024 * 1024)
    with large.open("wb") as file:
        for _ in range(GIB // len(block)):
            file.write(block)
    url = f"{server.url}files/large"
    to = folder / "large"
    commands = {
        "curl": ["curl", "--silent", "--output", str(to), url],
        "apps.fetch": [
            sys.executable, "-m", "apps.fetch", "-o", str(to), "--max-bytes", "2G",
            "--timeout", "300", url,
        ],
    }  # fmt: skip
    memory: dict[str, list[float]] = {name: [] for name in commands}

    def measure(name: str) -> float:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        seconds, kibibytes = _run(core, commands[name], **quiet)
        assert to.stat().st_size == GIB
        to.unlink()
        memory[name].append(kibibytes / 1024)
        return GIB / seconds / 1e6

    if shutil.which("curl"):
        show("1 GiB to a file, whole processes", "MB/s", rounds_of(list(commands), rounds, measure))
        show("the same, most memory", "MiB", memory)


def _endless(server: Nginx, core: int, million: int) -> None:
    memory: dict[str, list[float]] = {}
    for urls in (50_000, million):
        made = f"import sys\nfor n in range({urls}): sys.stdout.write('{server.url}p/%d\\n' % n)\n"
        with subprocess.Popen([sys.executable, "-c", made], stdout=subprocess.PIPE) as source:
            command = [sys.executable, "-m", "apps.fetch", "-i", "-", "--format", "jsonl"]
            command += ["--concurrency", str(AT_ONCE), "--per-host", str(AT_ONCE)]
            _, kibibytes = _run(
                core,
                command,
                stdin=source.stdout,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        memory[f"{urls:,} URLs"] = [kibibytes / 1024]
    show("URLs from stdin, most memory", "MiB", memory)


async def _ask_by_aiohttp(path: str) -> None:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as session:
        urls = iter(Path(path).read_text().split())

        async def ask() -> None:
            for url in urls:
                began = time.monotonic()
                async with session.get(url) as response:
                    body = await response.read()
                result = {
                    "url": url,
                    "final_url": str(response.url),
                    "status": response.status,
                    "bytes": len(body),
                    "seconds": time.monotonic() - began,
                    "timings": dict.fromkeys(
                        ("queue", "name", "connect", "tls", "first_byte", "body")
                    ),
                    "attempts": 1,
                    "redirects": [str(one.url) for one in response.history],
                    "content_type": response.headers.get("Content-Type"),
                    "title": None,
                    "path": None,
                    "error": None,
                }
                sys.stdout.write(json.dumps(result) + "\n")

        await asyncio.gather(*[ask() for _ in range(AT_ONCE)])


if __name__ == "__main__":
    asyncio.run(_ask_by_aiohttp(sys.argv[1]))
