"""A short run of `benchmarks/demo_visitors.py`: what visitors leave on the disk."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("gradio")


@pytest.mark.slow
def test_visitors_who_come_and_go(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # as it was, at the end
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    import demo_visitors

    asked = ["--minutes", "0.5", "--visitors", "8", "--seconds", "3"]
    ends, levels = demo_visitors.measured(demo_visitors.parsed(asked))
    assert ends["done"] > 0
    assert not [ended for ended in ends if ended.startswith("wrong")]
    _, _, most_files, _ = map(max, zip(*levels, strict=True))
    # Of eight pages, and of those that were closed in the last two minutes: a song,
    # seven results of each song they had, and an empty file for each call.
    pages = 8 + sum(ends.values()) / demo_visitors.SONGS
    assert most_files < (5 + 7 * demo_visitors.SONGS) * pages + 8
    del sys.modules["demo_visitors"], sys.modules["demo_load"]
