"""The site's reader of docstrings: Markdown in, what docutils reads out."""

import importlib
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the extra `docs` is not installed")
docutils = pytest.importorskip("docutils.core")


@pytest.fixture(scope="module")
def to_rst():
    folder = Path(__file__).parents[2] / "docs" / "_extensions"
    sys.path.insert(0, str(folder))
    yield importlib.import_module("keras_docstrings").to_rst
    sys.path.remove(str(folder))


def html(lines) -> str:
    """Docutils' own reading; any warning is an error."""
    text = "\n".join(lines)
    settings = {"halt_level": 2, "report_level": 2, "doctitle_xform": False}
    return docutils.publish_parts(text, writer="html5", settings_overrides=settings)[
        "body"
    ]


def test_code_and_links(to_rst):
    lines = ["The `width`s of `a | b`, see [here](https://example.org/a_b).", "- one"]
    found = html(to_rst(lines))
    assert ">width</span>s of <span" in found and ">a | b</span>" in found
    assert '<a class="reference external" href="https://example.org/a_b">' in found
    assert "<li>" in found


def test_tables_become_tables(to_rst):
    found = html(
        to_rst(["Rates:", "", "|   | x |", "|---|---|", "| `a` | 2 |", "", "End."])
    )
    assert found.count("<tr>") == 2 and "<th" in found and "<p>End.</p>" in found


def test_fences_keep_their_code(to_rst):
    lines = to_rst(["```python", "`x` | y", "", "z = [1](2)", "```"])
    assert lines == [
        ".. code-block:: python",
        "",
        "   `x` | y",
        "",
        "   z = [1](2)",
        "",
    ]


def test_public_names_become_links_but_not_to_themselves(to_rst):
    name = "keras_musictag.audio.ChunkPlan"
    assert to_rst(["See `audio.ChunkPlan`."]) == [
        f"See :py:obj:`audio.ChunkPlan <{name}>`."
    ]
    assert to_rst(["See `audio.ChunkPlan`."], name) == ["See ``audio.ChunkPlan``."]


def test_sections_for_napoleon(to_rst):
    given = ["Returns:", "    Pairs: two.", "", "Raises:", "    AError, BError: Bad."]
    wanted = ["Returns:", "    : Pairs: two.", "", "Raises:"]
    assert to_rst(given) == [*wanted, "    AError: Bad.", "    BError: Bad."]
