"""A journal has each URL once, and no end of the process loses a result or repeats a URL."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from apps.fetch.journal import Journal
from apps.fetch.journal_file import JournalFailed
from apps.fetch.result import Kept, decoded, encoded
from tests.apps.fetch.fetching import kept

ROOT = Path(__file__).parents[3]


def urls_in(path: Path) -> list[tuple[str, int | None]]:
    return [(found.url, found.status) for found in map(decoded, path.read_bytes().splitlines())]


def filled(path: Path, *results: Kept) -> None:
    journal = Journal(str(path))
    for found in results:
        assert journal.take(found.url)
        journal.add(found)
    journal.close()


def test_what_has_a_result_is_not_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    filled(path, kept("http://a/"), kept("http://b/", 500))
    journal = Journal(str(path))
    assert not journal.take("http://a/")
    assert not journal.take("http://b/")
    assert journal.take("http://c/")
    assert not journal.take("http://c/")  # it is being asked
    journal.close()
    assert urls_in(path) == [("http://a/", 200), ("http://b/", 500)]


def test_it_knows_which_failed_in_a_run_before(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    filled(path, kept("http://a/"), kept("http://b/", 500))
    journal = Journal(str(path))
    assert journal.take("http://c/")
    journal.add(kept("http://c/", 500))
    assert [journal.has_failed(f"http://{name}/") for name in "abcd"] == [False, True, False, False]
    journal.close()


def test_the_failed_are_asked_again_and_stand_there_once(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    filled(path, kept("http://a/"), kept("http://b/", 500), kept("http://c/", 404))
    journal = Journal(str(path), retry_failed=True)
    assert [journal.take(f"http://{name}/") for name in "abb"] == [False, True, False]
    journal.add(kept("http://b/"))
    # Until then its former result stands there too.
    assert urls_in(path)[1:] == [("http://b/", 500), ("http://c/", 404), ("http://b/", 200)]
    journal.close()
    assert urls_in(path) == [("http://a/", 200), ("http://c/", 404), ("http://b/", 200)]


def test_a_refresh_knows_the_former_result_wherever_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    filled(path, kept("http://a/", etag='"1"'), kept("http://" + "b" * 70_000, etag='"2"'))
    journal = Journal(str(path), refresh=True)
    assert journal.former("http://c/") is None
    for name, etag in (("a", '"1"'), ("b" * 70_000, '"2"')):
        assert journal.take(f"http://{name}/".removesuffix("/" if len(name) > 1 else ""))
        former = journal.former("http://" + name + ("/" if name == "a" else ""))
        assert former is not None
        assert former.etag == etag
    journal.add(kept("http://a/", etag='"3"'))
    former = journal.former("http://a/")
    assert former is not None
    assert former.etag == '"3"'
    journal.close()
    journal = Journal(str(path))
    assert len(journal) == 2
    former = journal.former("http://a/")
    assert former is not None
    assert former.etag == '"3"'
    journal.close()


def test_a_torn_last_line_is_dropped_wherever_it_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    whole, torn = (encoded(kept(url)) + b"\n" for url in ("http://a/", "http://b/"))
    for end in range(len(torn)):
        path.write_bytes(whole + torn[:end])
        journal = Journal(str(path))
        assert not journal.take("http://a/")
        assert journal.take("http://b/")
        journal.add(kept("http://b/"))
        journal.close()
        assert path.read_bytes() == whole + torn


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"http://a/\n", "line 1 of JOURNAL is no result of a journal: "),
        (b"http://a/", "line 1 of JOURNAL is no result of a journal: "),
        (encoded(kept()) + b"\n{}\n", "line 2 of JOURNAL is no result of a journal: "),
        (encoded(kept()) + b"\n\n", "line 2 of JOURNAL is no result of a journal: "),
    ],
)
def test_what_is_no_journal_is_left_as_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    with pytest.raises(JournalFailed) as raised:
        Journal(str(path))
    assert said.replace("JOURNAL", str(path)) in str(raised.value)
    assert path.read_bytes() == content


def test_two_runs_do_not_share_it(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    first = Journal(str(path))
    with pytest.raises(JournalFailed, match="another process uses the journal"):
        Journal(str(path))
    first.take("http://a/")
    first.add(kept("http://a/"))
    first.add(kept("http://a/", 201))
    first._drop_superseded()  # its file is another one now
    with pytest.raises(JournalFailed, match="another process uses the journal"):
        Journal(str(path))
    first.close()
    Journal(str(path)).close()


# Each run of it is killed at another line of the journal's code: 1, 2, 3 … until none is left.
KILLED = """
import os, signal, sys
from pathlib import Path
from apps.fetch.journal import Journal
from apps.fetch.result import decoded
from tests.apps.fetch.fetching import kept
from tests.apps.fetch.test_journal import filled

folder = Path(sys.argv[1])
path = folder / "journal"
begin = [kept("http://a/"), kept("http://b/", 500), kept("http://c/", 404)]

def work():
    journal = Journal(str(path), retry_failed=True)
    for name in "abcd":
        if journal.take(f"http://{name}/"):
            journal.add(kept(f"http://{name}/", 201 if name != "c" else 500))
            os.write(told, name.encode())  # as the line that is printed
    journal.close()

def killing(frame, event, argument):
    global left
    if "/journal" not in frame.f_code.co_filename:
        return None
    left -= event == "line"
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return killing

steps, ended = 0, False
while not ended:
    path.unlink(missing_ok=True)
    filled(path, *begin)
    if steps % 2:  # what a kill may have left as well
        with path.open("ab") as file:
            file.write(b'{"url":"http://d')
    heard, told = os.pipe()
    child = os.fork()
    if not child:
        left = steps
        sys.settrace(killing)
        work()
        os._exit(0)
    os.close(told)
    status = os.waitpid(child, 0)[1]
    printed = os.read(heard, 100).decode()
    os.close(heard)
    ended = status == 0
    assert ended or os.WTERMSIG(status) == signal.SIGKILL, status
    journal = Journal(str(path))  # the next run
    lines = [decoded(line) for line in path.read_bytes().splitlines()]
    found = {each.url[7]: each.status for each in lines}
    again = [name for name in "abcd" if journal.take(f"http://{name}/")]
    journal.close()
    assert len(lines) == len(found), (steps, lines)
    assert found["a"] == 200
    assert found["b"] == 201 or (found["b"] == 500 and "b" not in printed), (steps, found)
    assert found["c"] == 500 or (found["c"] == 404 and "c" not in printed), (steps, found)
    assert again == ([] if "d" in found else ["d"]), (steps, again)
    assert "d" in found or "d" not in printed
    assert os.listdir(folder) == ["journal"]
    steps += 1
print(steps)
"""


def test_killed_between_any_two_steps_nothing_is_lost_and_nothing_asked_twice(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100
