"""Print `package==version` lines that pin every dependency to its lower bound.

    python tools/lowest_versions.py test > constraints.txt
    pip install -c constraints.txt ".[test]"

Names of extras may follow; without any, only the core dependencies are printed.
"""

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def lower_bounds(extras: list[str]) -> list[str]:
    """Return the pins of the core dependencies and of some extras, sorted."""
    project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    optional = project["optional-dependencies"]
    wanted, waiting = list(project["dependencies"]), list(extras)
    while waiting:
        for requirement in optional[waiting.pop()]:
            own = re.fullmatch(r"keras-musictag\[(.+)\]", requirement)
            if own:
                waiting += own.group(1).split(",")
            else:
                wanted.append(requirement)
    return sorted({requirement.replace(">=", "==") for requirement in wanted})


if __name__ == "__main__":
    print("\n".join(lower_bounds(sys.argv[1:])))
