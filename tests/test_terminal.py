"""What the plugin prints is told from what others print, and nothing of it drives a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from toolkit._terminal import end


def test_several_lines_end_with_the_program_before_each(capsys: pytest.CaptureFixture[str]) -> None:
    wrong: Any = end
    with pytest.raises(SystemExit) as ended:
        wrong("one\ntwo", 1)
    assert (ended.value.code, capsys.readouterr().err) == (1, "toolkit: one\ntoolkit: two\n")
