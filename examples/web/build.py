"""Collect a page that tags music in the browser, with nothing fetched from elsewhere.

    python examples/web/build.py
    python -m http.server --directory web 8000  # then open http://localhost:8000

The model is exported to ONNX (extra `export`) and runs in onnxruntime-web, which npm
fetches once. The folder needs no server of its own kind: any that serves files will do.
"""

import argparse
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import keras_musictag as kmt

HERE = Path(__file__).resolve().parent
PAGE = ("index.html", "style.css", "app.js", "audio.js", "worker.js")
PACKAGE = "onnxruntime-web@1.30.0"
INTEGRITY = (
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7Qm"
    "RMDs1SigqR4CXAfKYQ=="
)
# The one build that computes on the processor alone.
RUNTIME = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)


def export_model(preset: str, folder: Path) -> None:
    """Export a tagger, unless it gives more than one row of scores for a chunk."""
    tagger = kmt.MusicTagger.from_pretrained(preset)
    plan = tagger.chunking
    if tagger.frame_offsets is not None or plan.n_spaced is not None:
        raise SystemExit(
            f"{preset} does not give one row per chunk; the page needs it."
        )
    tagger.export(folder, "onnx")


def fetch_runtime(folder: Path) -> None:
    """Let npm fetch its package, and take out the files that the page loads."""
    note = folder / "package.txt"
    if note.is_file() and note.read_text("utf-8") == PACKAGE:
        return
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is not installed; it comes with Node.js.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            [npm, "pack", PACKAGE, "--json", "--pack-destination", place],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"npm cannot fetch {PACKAGE}:\n{done.stderr.strip()}")
        (package,) = json.loads(done.stdout)
        if package["integrity"] != INTEGRITY:
            raise SystemExit(f"{PACKAGE} is not the package it was: nothing is kept.")
        with tarfile.open(next(Path(place).glob("*.tgz"))) as archive:
            for name in RUNTIME:
                source = archive.extractfile(f"package/dist/{name}")
                with (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
    note.write_text(PACKAGE, "utf-8")


def build(out: Path, preset: str) -> Path:
    """Bring page, runtime and model together.

    Args:
        out: The folder to make; an earlier page in it is replaced.
        preset: A preset of a tagger, or the folder of a saved one.

    Returns:
        The folder.
    """
    fetch_runtime(out / "vendor")
    export_model(preset, out / "model")
    for name in PAGE:
        shutil.copyfile(HERE / name, out / name)
    return out


def main() -> None:
    """Build the page and say how to see it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="musicnn_msd")
    parser.add_argument("--out", type=Path, default=Path("web"))
    args = parser.parse_args()
    out = build(args.out, args.preset)
    size = sum(p.stat().st_size for p in out.rglob("*") if p.is_file()) / 1e6
    print(f"{out}: {size:.0f} MB\npython -m http.server --directory {out} 8000")


if __name__ == "__main__":
    main()
