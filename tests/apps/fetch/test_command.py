"""The command as a whole: what it saves, keeps and tells, and what no signal can spoil."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import DeferredList

from apps.fetch.lines import COLUMNS
from apps.fetch.naming import name_for
from tests.apps.fetch.test_main import outcome, start
from tests.http.faults import Keep, Stall, answer, fault_server

KEPT_OPEN = Keep(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest_twisted.ensureDeferred
async def test_jsonl_is_a_record_a_line_and_the_totals_follow_on_stderr(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        urls = [server.url(f"/{n}", answer(b"x" * n)) for n in range(3)]
        status, command = await outcome(reactor, "--format", "jsonl", "nonsense", *urls)
    assert status == 1
    records = [json.loads(line) for line in command.out.splitlines()]
    assert sorted((each["url"], each["bytes"]) for each in records if each["error"] is None) == [
        (url, number) for number, url in enumerate(urls)
    ]
    assert [each["error"]["code"] for each in records if each["error"]] == ["invalid-url"]
    [totals, host] = command.err.decode().splitlines()
    assert totals.startswith("4 URLs in ")
    assert totals.endswith("; 3 bytes; 1 failed (invalid-url 1)")
    assert re.fullmatch(r"127\.0\.0\.1:\d+: 3 answers, 50 % within .*, 99 % within .*", host)


@pytest_twisted.ensureDeferred
async def test_csv_has_a_header_and_quiet_is_quiet(reactor: Any) -> None:
    status, command = await outcome(reactor, "--format", "csv", "-q", "=nonsense,")
    assert (status, command.err) == (1, b"")
    [header, row] = csv.reader(command.out.decode().splitlines())
    assert tuple(header) == COLUMNS
    assert row[0] == "'=nonsense,"
    assert row[COLUMNS.index("error.code")] == "invalid-url"


@pytest_twisted.ensureDeferred
async def test_a_body_goes_to_a_file_or_to_stdout(reactor: Any, tmp_path: Path) -> None:
    path = tmp_path / "body"
    async with fault_server(reactor) as server:
        url = server.url("/", answer(b"\0body"))
        status, command = await outcome(reactor, "-o", str(path), "--format", "jsonl", url)
        assert (status, path.read_bytes()) == (0, b"\0body")
        assert json.loads(command.out)["path"] == str(path)
        status, command = await outcome(reactor, "-o", "-", url)
    assert (status, command.out) == (0, b"\0body")
    assert command.err.startswith(b"200\t5\t")
    assert os.listdir(tmp_path) == ["body"]


@pytest_twisted.ensureDeferred
async def test_bodies_go_to_a_folder_but_for_what_failed(reactor: Any, tmp_path: Path) -> None:
    async with fault_server(reactor) as server:
        good, other = (server.url(path, answer(path.encode())) for path in ("/a", "/A"))
        bad = server.url("/bad", answer(b"x", "404 Not Found"))
        cut = server.url("/cut", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
        status, _ = await outcome(reactor, "-d", str(tmp_path), good, other, bad, cut)
    assert status == 1
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {
        name_for(good): b"/a",
        name_for(other): b"/A",
    }


@pytest_twisted.ensureDeferred
async def test_what_differs_from_its_checksum_is_not_kept(reactor: Any, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    async with fault_server(reactor) as server:
        good, bad = (server.url(path, answer(b"x")) for path in ("/good", "/bad"))
        (tmp_path / "sums").write_text(
            f"{hashlib.sha256(b'x').hexdigest()}  {good}\n{'0' * 64} *{bad}\n"
        )
        status, command = await outcome(
            reactor, "--check", str(tmp_path / "sums"), "-d", str(folder), good, bad
        )
    assert status == 1
    assert {line[3]: line[0] for line in command.columns} == {good: "200", bad: "checksum-mismatch"}
    assert os.listdir(folder) == [name_for(good)]


@pytest_twisted.ensureDeferred
async def test_nothing_is_asked_when_something_named_cannot_be_used(
    reactor: Any, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("nonsense\n")
    wrong = str(tmp_path / "wrong")
    async with fault_server(reactor) as server:
        url = server.url("/", answer(b"x"))
        for arguments, said in (
            (("-d", str(tmp_path / "none")), "there is no folder"),
            (("-o", str(tmp_path / "none" / "file")), "make it first"),
            (("-o", str(tmp_path)), "it is a folder"),
            (("--check", wrong), "line 1 of"),
            (("--journal", wrong), "line 1 of"),
            (("--report", str(tmp_path / "none" / "report")), "make it first"),
            (("--data", f"@{tmp_path}/none"), "cannot read the body from"),
            (("-H", "nonsense"), "-H: expected 'Name: value'"),
            (("--cacert", wrong), "cacert"),
            (("--refresh",), "--refresh needs a --journal"),
        ):
            status, command = await outcome(reactor, *arguments, url)
            assert (status, command.out) == (2, b""), arguments
            assert command.err.count(b"\n") == 1, command.err
            assert command.err.startswith(b"fetch: ")
            assert said in command.err.decode(), command.err
        assert server.connections == 0
    assert os.listdir(tmp_path) == ["wrong"]


@pytest_twisted.ensureDeferred
async def test_a_dry_run_prints_the_urls_and_connects_to_nothing(
    reactor: Any, tmp_path: Path
) -> None:
    async with fault_server(reactor) as server:
        url = server.url("/", answer(b"x"))
        path = tmp_path / "urls"
        path.write_bytes(f"{url}\n#\n\n{url}b\n".encode() + b"http://\xff/\n")
        status, command = await outcome(
            reactor, "--dry-run", "--unique", "--journal", str(tmp_path / "journal"), url, "-i",
            str(path),
        )  # fmt: skip
        assert server.connections == 0
    assert (status, command.err) == (0, b"")
    assert command.out == f"{url}\n{url}b\n".encode() + b"http://\xff/\n"
    assert os.listdir(tmp_path) == ["urls"]


@pytest_twisted.ensureDeferred
async def test_a_url_that_comes_twice_is_asked_once_if_wanted(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        url = server.url("/", answer(b"x"))
        status, command = await outcome(reactor, "--unique", url, url, url)
    assert status == 0
    assert len(command.columns) == 1
    assert b"; 2 skipped" in command.err


@pytest_twisted.ensureDeferred
async def test_a_run_is_gone_on_with_however_often_it_is_killed(
    reactor: Any, tmp_path: Path
) -> None:
    path, journal = tmp_path / "urls", tmp_path / "journal"
    printed: list[str] = []
    async with fault_server(reactor) as server:
        urls = [server.url(f"/{number}", KEPT_OPEN) for number in range(2000)]
        path.write_text("\n".join(urls))
        arguments = ("-i", str(path), "--journal", str(journal), "--concurrency", "8")
        for lines in (1, 40, 300):
            command = start(reactor, *arguments)
            await command.lines(lines)
            os.kill(command.transport.pid, signal.SIGKILL)
            await command.done
            printed += [line[3] for line in command.columns if len(line) > 3]
            kept = [json.loads(line)["url"] for line in journal.read_bytes().split(b"\n")[:-1]]
            assert set(printed[:-1]) <= set(kept)  # the last line may be cut by the pipe
        status, command = await outcome(reactor, *arguments)
        assert status == 0
        printed += [line[3] for line in command.columns]
        asked = len(server.requests)
        again, command = await outcome(reactor, *arguments)
        assert (again, command.out, len(server.requests)) == (0, b"", asked)
    found = [each["url"] for each in lines_of(journal)]
    assert sorted(found) == sorted(urls)
    assert len(printed) == len(set(printed)) <= 2000
    assert asked < 2000 + 3 * 16 * 2  # only what was in flight was asked twice
    assert b"0 URLs in " in command.err
    assert b"; 2000 skipped" in command.err


@pytest_twisted.ensureDeferred
async def test_the_failed_are_asked_again_when_wanted(reactor: Any, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    async with fault_server(reactor) as server:
        good, bad = server.url("/good", answer(b"x")), server.url("/", answer(b"", "500 Oh"))
        arguments = ("--journal", str(journal), good, bad)
        assert (await outcome(reactor, *arguments))[0] == 1
        server.answers["/"] = answer(b"x")
        status, command = await outcome(reactor, *arguments)
        assert (status, command.out) == (1, b"")
        assert b"; 2 skipped, 1 of them failed before; --retry-failed asks it again" in command.err
        status, command = await outcome(reactor, "--retry-failed", *arguments)
    assert status == 0
    assert [line[3] for line in command.columns] == [bad]
    assert [(each["url"], each["status"]) for each in lines_of(journal)] == [
        (good, 200),
        (bad, 200),
    ]


@pytest_twisted.ensureDeferred
async def test_of_two_runs_with_one_journal_the_second_is_refused(
    reactor: Any, tmp_path: Path
) -> None:
    async with fault_server(reactor) as server:
        url = server.url("/", Stall(b""))
        first = start(reactor, "--journal", str(tmp_path / "journal"), url)
        while not server.requests:
            await server.asked
        status, second = await outcome(reactor, "--journal", str(tmp_path / "journal"), url)
        os.kill(first.transport.pid, signal.SIGINT)
        assert await first.done == 130
        assert len(server.requests) == 1
    assert status == 2
    assert b"another process uses the journal" in second.err


@pytest_twisted.ensureDeferred
async def test_a_journal_that_is_full_ends_the_run_with_whole_lines(
    reactor: Any, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    async with fault_server(reactor) as server:
        urls = [server.url(f"/{number}", answer(b"x")) for number in range(50)]
        limited = 'trap "" XFSZ; ulimit -f 4; exec "$0" -m apps.fetch "$@"'  # 4 KiB
        command = start(
            reactor, "--journal", str(journal), "--concurrency", "2", *urls, shell=limited
        )
        assert await command.done == 1
    assert b"fetch: cannot write the journal " in command.err
    kept = [each["url"] for each in lines_of(journal)]
    assert [line[3] for line in command.columns] == kept
    assert 5 < len(kept) < 50


@pytest_twisted.ensureDeferred
async def test_sigusr1_tells_how_far_it_is(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        good, stalled = server.url("/good", answer(b"x")), server.url("/", Stall(b""))
        command = start(reactor, good, stalled)
        await command.lines(1)
        os.kill(command.transport.pid, signal.SIGUSR1)
        while b"\n" not in command.err:
            await command.heard
        os.kill(command.transport.pid, signal.SIGINT)
        assert await command.done == 130
    first = command.err.decode().splitlines()[0]
    assert re.fullmatch(
        rf"fetch: 1 done, \d+/s, 1 B, .* left, slowest .* {re.escape(stalled)}", first
    )


@pytest_twisted.ensureDeferred
async def test_sigint_leaves_no_half_a_file(reactor: Any, tmp_path: Path) -> None:
    async with fault_server(reactor) as server:
        url = server.url("/", Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"))
        command = start(reactor, "-d", str(tmp_path), url)
        while not server.requests:
            await server.asked
        os.kill(command.transport.pid, signal.SIGINT)
        assert await command.done == 130
    assert b"1 not finished" in command.err
    assert os.listdir(tmp_path) == []


@pytest_twisted.ensureDeferred
async def test_a_report_is_written_also_when_it_is_stopped(reactor: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    async with fault_server(reactor) as server:
        good, stalled = server.url("/good", answer(b"x")), server.url("/", Stall(b""))
        command = start(reactor, "--report", str(path), good, stalled, "<script>")
        await command.lines(2)
        os.kill(command.transport.pid, signal.SIGINT)
        assert await command.done == 130
    text = path.read_text()
    assert "1 good, 1 failed, 1 not finished" in text
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert os.listdir(tmp_path) == ["report.html"]


@pytest_twisted.ensureDeferred
async def test_an_output_that_is_full_is_one_line(reactor: Any) -> None:
    script = 'exec "$0" -m apps.fetch "$@" >/dev/full'
    command = start(reactor, "nonsense", shell=script)
    assert await command.done == 1
    assert b"fetch: cannot write the output: No space left on device" in command.err
    assert b"Traceback" not in command.err


@pytest_twisted.ensureDeferred
async def test_two_runs_save_one_url_side_by_side(reactor: Any, tmp_path: Path) -> None:
    async with fault_server(reactor) as server:
        url = server.url("/", answer(b"x" * 100_000))
        runs = [start(reactor, "-d", str(tmp_path), *[url] * 5) for _ in range(2)]
        assert [done for _, done in await DeferredList([run.done for run in runs])] == [0, 0]
    assert os.listdir(tmp_path) == [name_for(url)]
    assert (tmp_path / name_for(url)).read_bytes() == b"x" * 100_000


@pytest.mark.parametrize("form", ["text", "jsonl", "csv"])
@pytest_twisted.ensureDeferred
async def test_what_is_not_utf_8_is_printed_in_every_form(reactor: Any, form: str) -> None:
    status, command = await outcome(reactor, "--format", form, "http://\udcff.example/\x1b[2J")
    assert status == 1
    assert command.out.decode().replace("\t", "").replace("\n", "").replace("\r", "").isprintable()
    if form == "jsonl":
        assert json.loads(command.out)["url"] == "http://\udcff.example/\x1b[2J"


@pytest_twisted.ensureDeferred
async def test_titles_are_found_in_memory_and_in_files(reactor: Any, tmp_path: Path) -> None:
    body = b"<title>A &amp;\n B</title>"
    async with fault_server(reactor) as server:
        url = server.url("/", answer(body, "200 OK", "Content-Type: text/html"))
        status, command = await outcome(reactor, "--title", url)
        assert (status, command.columns[0][4]) == (0, "A & B")
        arguments = ("--title", "-d", str(tmp_path), "--format", "jsonl")
        status, command = await outcome(reactor, *arguments, url)
    record = json.loads(command.out)
    assert (record["title"], record["content_type"], record["bytes"]) == (
        "A & B", "text/html", len(body)
    )  # fmt: skip
    assert Path(record["path"]).read_bytes() == body


@pytest_twisted.ensureDeferred
async def test_method_headers_and_body_are_sent(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        url = server.url("/", answer(b"x"))
        status, _ = await outcome(reactor, "--json", "{}", "-H", "X-Mine: yes", url)
        [request] = server.requests
    lines = request.decode().lower().splitlines()
    assert status == 0
    assert lines[0].startswith("post / ")
    assert {"x-mine: yes", "content-type: application/json", "content-length: 2"} <= set(lines)
    assert "accept: application/json" in lines


@pytest_twisted.ensureDeferred
async def test_a_refresh_asks_for_what_has_changed_and_keeps_the_file(
    reactor: Any, tmp_path: Path
) -> None:
    folder, journal = tmp_path / "folder", tmp_path / "journal"
    folder.mkdir()
    arguments = ("--journal", str(journal), "--refresh", "-d", str(folder))
    async with fault_server(reactor) as server:
        url = server.url("/", answer(b"body", "200 OK", 'ETag: "1"'))
        assert (await outcome(reactor, *arguments, url))[0] == 0
        server.answers["/"] = b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n"
        for _ in range(2):  # the second time, what is known is that of the first
            status, command = await outcome(reactor, *arguments, url)
            assert (status, command.columns[0][:2]) == (0, ["304", "4"])
        assert [b'if-none-match: "1"' in head.lower() for head in server.requests] == [
            False, True, True
        ]  # fmt: skip
    [record] = lines_of(journal)
    path = folder / name_for(url)
    assert (record["status"], record["bytes"], record["etag"]) == (304, 4, '"1"')
    assert (record["path"], path.read_bytes()) == (str(path), b"body")


@pytest_twisted.ensureDeferred
async def test_what_is_tried_again_and_redirected_is_told(reactor: Any, tmp_path: Path) -> None:
    async with fault_server(reactor) as server:
        busy = server.url("/busy", answer(b"", "503 Busy", "Retry-After: 0"))
        moved = server.url("/moved", answer(b"", "302 Found", "Location: /there"))
        there = server.url("/there", answer(b"x"))
        path = tmp_path / "half"
        arguments = ("--retries", "1", "--format", "jsonl", "-o", str(path))
        _, command = await outcome(reactor, *arguments, busy)
        record = json.loads(command.out)
        assert (record["status"], record["attempts"], record["error"]) == (503, 2, None)
        assert not path.exists()
        _, command = await outcome(reactor, "--format", "jsonl", moved)
        record = json.loads(command.out)
    assert (record["final_url"], record["redirects"], record["attempts"]) == (there, [moved], 1)
    assert record["timings"]["first_byte"] > 0


@pytest_twisted.ensureDeferred
async def test_a_disk_that_is_full_is_write_failed_and_the_others_go_on(
    reactor: Any, tmp_path: Path
) -> None:
    async with fault_server(reactor) as server:
        big = server.url("/big", answer(b"x" * 100_000))
        small = [server.url(f"/{number}", answer(b"x")) for number in range(3)]
        limited = 'trap "" XFSZ; ulimit -f 16; exec "$0" -m apps.fetch "$@"'  # 16 KiB a file
        command = start(reactor, "-d", str(tmp_path), big, *small, shell=limited)
        assert await command.done == 1
    assert {line[3]: line[0] for line in command.columns} == {
        big: "write-failed",
        **dict.fromkeys(small, "200"),
    }
    assert sorted(os.listdir(tmp_path)) == sorted(map(name_for, small))


@pytest_twisted.ensureDeferred
async def test_a_reader_of_the_body_that_goes_ends_it_with_141(reactor: Any) -> None:
    async with fault_server(reactor) as server:
        url = server.url("/", answer(b"x" * 1_000_000))
        script = '("$0" -m apps.fetch "$@"; echo $? >&2) | true'
        command = start(reactor, "-o", "-", url, shell=script)
        await command.done
    assert command.err == b"141\n"
