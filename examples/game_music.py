"""Fetch the music of free games, which Debian packages: albums for `train_chords.py`.

Each package becomes a folder with the tracks as they are, also those inside of the
archives of a game:

    python examples/game_music.py --out music
    python examples/game_music.py --out music --packages hedgewars-data

It needs `apt-get` and `dpkg-deb`, and 8 GB of disk for a while when everything is
fetched. The music keeps the licence of each package (`debian/copyright`, in
`/usr/share/doc` of the package); nothing of it comes with this project.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGES = (
    *("0ad-data", "drascula-music", "extremetuxracer-data", "hedgewars-data"),
    *("hyperrogue-music", "megaglest-data", "naev-data", "nexuiz-music"),
    *("pathological", "singularity-music", "supertux-data", "supertuxkart-data"),
    *("torcs-data", "ufoai-music", "warzone2100-music", "wesnoth-1.16-music"),
    "widelands-data",
)
MUSIC = (".flac", ".mp3", ".ogg", ".opus", ".wav")
ARCHIVES = (".pk3", ".zip")
SMALLEST = 200_000  # bytes; what is smaller is a noise


def fetch(package: str, out: Path) -> int:
    """Download a package and keep its music.

    Args:
        package: Its name.
        out: Folder of albums.

    Returns:
        How many tracks there are now.

    Raises:
        subprocess.CalledProcessError: If it cannot be had.
    """
    album = out / package
    if album.is_dir():
        return sum(1 for path in album.rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory(dir=out) as name:
        folder = Path(name)
        subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True)
        (archive,) = folder.glob("*.deb")
        content, kept = folder / "content", folder / "kept"
        subprocess.run(["dpkg-deb", "-x", archive, content], check=True)
        archive.unlink()
        for path in sorted(content.rglob("*")):
            if path.suffix.lower() in ARCHIVES and path.is_file():
                _unpack(path)
        count = 0
        for path in sorted(content.rglob("*")):
            if _is_music(path):
                target = kept / path.relative_to(content)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, target)
                count += 1
        kept.mkdir(exist_ok=True)
        kept.rename(album)
    return count


def _is_music(path: Path) -> bool:
    return (
        path.suffix.lower() in MUSIC
        and path.is_file()
        and not path.is_symlink()
        and path.stat().st_size >= SMALLEST
    )


def _unpack(path: Path) -> None:
    """Take the music out of an archive of a game, beside it."""
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if Path(info.filename).suffix.lower() in MUSIC:
                archive.extract(info, path.with_suffix(""))
    path.unlink()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of albums")
    parser.add_argument("--packages", nargs="+", default=PACKAGES)
    options = parser.parse_args()
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            sys.exit(f"`{tool}` is not there: the music comes from Debian's packages.")
    options.out.mkdir(parents=True, exist_ok=True)
    missing = []
    for package in options.packages:
        try:
            print(package, fetch(package, options.out), "tracks", flush=True)
        except subprocess.CalledProcessError as error:
            missing.append(package)
            print(f"{package}: not to be had ({error})", file=sys.stderr)
    if missing:
        sys.exit(f"Not to be had: {', '.join(missing)}. What was fetched is there.")


if __name__ == "__main__":
    main()
