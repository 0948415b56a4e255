"""Write the tables of floors in the pages from the import contract in pyproject.toml.

python tools/floors.py           # write docs/design.md and CONTRIBUTING.md
python tools/floors.py --check   # fail if one is stale

What lives in a room is the first sentence of its docstring.
"""

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "keras_musictag"
PAGES = ("docs/design.md", "CONTRIBUTING.md")
TABLE = re.compile(r"(<!-- floors: .+? -->\n).*?(<!-- end of floors -->)", re.DOTALL)


def contracts() -> list[dict]:
    """Return the contracts of import-linter: the house, then rooms with floors."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return settings["tool"]["importlinter"]["contracts"]


def public_rooms() -> list[str]:
    """Return the rooms whose `__init__` lists public names, sorted."""
    rooms = []
    for layer in contracts()[0]["layers"]:
        for name in re.split(r"\s*[|:]\s*", layer):
            path = source(PACKAGE, name)
            if path.name == "__init__.py" and "__all__" in path.read_text("utf-8"):
                rooms.append(name)
    return sorted(rooms)


def table(contract: dict) -> str:
    """Return a contract as a Markdown table, the highest floor first."""
    (container,) = contract["containers"]
    lines = ["| floor | room | what lives there |", "|---|---|---|"]
    layers = contract["layers"]
    for height, layer in zip(range(len(layers) - 1, -1, -1), layers, strict=True):
        for place, name in enumerate(re.split(r"\s*[|:]\s*", layer)):
            floor = str(height) if place == 0 else ""
            path = source(container, name)
            shown = f"`{name}/`" if path.name == "__init__.py" else f"`{name}.py`"
            lines.append(f"| {floor} | {shown} | {sentence(path)} |")
    return "\n".join(lines) + "\n"


def source(container: str, name: str) -> Path:
    """Return the file that says what a room is."""
    folder = ROOT / container.replace(".", "/")
    package = folder / name / "__init__.py"
    return package if package.exists() else folder / f"{name}.py"


def sentence(path: Path) -> str:
    """Return the first sentence of a module's docstring, without its full stop."""
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split()).removesuffix(".")


def main() -> None:
    tables = "\n".join(table(contract) for contract in contracts())
    for name in PAGES:
        page = ROOT / name
        text = page.read_text("utf-8")
        if not TABLE.search(text):
            raise SystemExit(f"{name} has no place for the table of floors")
        fresh = TABLE.sub(lambda match: f"{match[1]}{tables}{match[2]}", text)
        if fresh == text:
            continue
        if "--check" in sys.argv:
            raise SystemExit(f"{name} is stale: run python tools/floors.py")
        page.write_text(fresh, "utf-8")


if __name__ == "__main__":
    main()
