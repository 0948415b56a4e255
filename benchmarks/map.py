"""How fluid the map of a collection is: frames per second while it is moved.

    python benchmarks/map.py                  # 10,000 tracks
    python benchmarks/map.py --tracks 50000 --program /usr/bin/chromium

The page is opened in Chromium (Playwright drives it) without a graphics card; every
frame moves and zooms the map, so that each one draws all tracks again.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from keras_musictag import pages

MOVE = """seconds => new Promise(done => {
  const start = performance.now(); let frames = 0; const waits = []; let last = start;
  const step = now => {
    waits.push(now - last); last = now; frames++;
    view.x = 0.2 * Math.sin(now / 400); view.zoom = 1.5 + 0.5 * Math.cos(now / 700);
    redraw();
    if (now - start < 1000 * seconds) requestAnimationFrame(step);
    else {
      waits.sort((a, b) => a - b);
      done([frames / seconds, waits[Math.floor(frames * .95)]]);
    }
  };
  requestAnimationFrame(step);
})"""
PATH = """() => { const start = performance.now();
  shortest(0, data.names.length - 1); return performance.now() - start; }"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tracks", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--program", default=shutil.which("chromium"))
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 40, options.tracks)
    centres = generator.normal(size=(40, 200))
    embeddings = centres[groups] + generator.normal(size=(options.tracks, 200))
    scores = generator.random((options.tracks, 50))
    start = time.perf_counter()
    text = pages.collection_map(
        embeddings,
        [f"song {i}" for i in range(options.tracks)],
        tags=([f"tag {i}" for i in range(50)], scores),
        method="pca",
    )
    made = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        path = Path(folder, "map.html")
        path.write_text(text, encoding="utf-8")
        browser = driver.chromium.launch(
            executable_path=options.program, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(path.as_uri())
        rate, slow = page.evaluate(MOVE, options.seconds)
        path_ms = page.evaluate(PATH)
        browser.close()
    print(f"{options.tracks} tracks, {len(text) / 1e6:.1f} MB, made in {made:.1f} s")
    print(f"{rate:.0f} frames per second, 95 % within {slow:.0f} ms")
    print(f"a path between two tracks: {path_ms:.0f} ms")


if __name__ == "__main__":
    main()
