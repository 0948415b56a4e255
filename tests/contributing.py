"""The code on the page for contributors, which the tests use as it stands there."""

import re
import textwrap
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "CONTRIBUTING.md"


def code(section: str) -> str:
    """Return the one block of Python in a section of CONTRIBUTING.md."""
    _, found, rest = PAGE.read_text("utf-8").partition(f"## {section}\n")
    assert found, f"there is no section {section!r}"
    text = re.split(r"^## ", rest, flags=re.MULTILINE)[0]
    blocks = re.findall(r"^ *```python\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1
    return textwrap.dedent(blocks[0])
