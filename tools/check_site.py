"""Check a built site: internal links lead somewhere, nothing loads from a network.

python tools/check_site.py docs/_build
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {"script", "img", "audio", "video", "source", "iframe"}
CSS_LOAD = re.compile(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//")


class Page(HTMLParser):
    """The anchors, links and loaded files of a page."""

    def __init__(self):
        super().__init__()
        self.anchors, self.links, self.loads = set(), set(), set()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors.update(given[k] for k in ("id", "name") if given.get(k))
        if tag == "a" and given.get("href"):
            self.links.add(given["href"])
        elif tag == "link" and given.get("rel") not in ("canonical", "author"):
            self.loads.add(given.get("href") or "")
        elif tag in LOADS:
            self.loads.add(given.get("src") or "")


def problems(site: Path) -> list[str]:
    """Return one line for each dead link and each file from elsewhere."""
    pages = {}
    for file in site.rglob("*.html"):
        if "_static" in file.parts:  # templates of the theme
            continue
        pages[file.resolve()] = page = Page()
        page.feed(file.read_text("utf-8"))
    faults = []
    for file, page in pages.items():
        name = file.relative_to(site.resolve())
        for link in page.loads:
            if urlsplit(link).netloc:
                faults.append(f"{name}: loads {link}")
        for link in page.links | page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve()
            target = target if parts.path else file
            if not target.exists():
                faults.append(f"{name}: {link} is not there")
            elif parts.fragment and target in pages:
                missing = unquote(parts.fragment) not in pages[target].anchors
                faults += [f"{name}: {link} has no such place"] * missing
    for file in site.rglob("*.css"):
        if CSS_LOAD.search(file.read_text("utf-8")):
            faults.append(f"{file.relative_to(site)}: loads from a network")
    return faults


def main() -> None:
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/_build")
    if not (site / "index.html").is_file():
        raise SystemExit(f"{site} is no built site: run sphinx-build first.")
    if faults := problems(site):
        raise SystemExit("\n".join(faults))
    print("Links lead somewhere; nothing loads from a network.")


if __name__ == "__main__":
    main()
