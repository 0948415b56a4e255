"""Fit the confidences of chord recognisers to songs whose chords are known.

    python tools/fit_confidence.py --fit fit --judge songs --write

The confidence of a segment shall be the share of its time that is right. It is a curve
of the mean probability of the chord, one for each vocabulary: `chords.confidence`.
`--fit` and `--judge` are folders of songs with a `.lab` file each; those of the
presets were rendered with a soundfont and grooves that no training saw. Without
`--write` nothing is changed; with it the records of the presets get the curves and what
they were worth on the songs of `--judge`. `--picture` draws reliability before and
after.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from mir_eval import chord

import keras_musictag as kmt
from keras_musictag.chords import ChordSequence, get_vocabulary
from keras_musictag.chords.confidence import calibrated, fit_calibration
from keras_musictag.metrics import calibration

PRESETS = Path(__file__).resolve().parent.parent / "keras_musictag" / "presets"
VOCABULARIES = ("majmin", "sevenths", "tetrads")
# What counts as right; all that a vocabulary tells apart but the bass.
COMPARISONS = {"majmin": "majmin", "sevenths": "sevenths"}
CHORDS = [n for n in kmt.list_presets() if kmt.preset_info(n)["task"] == "chords"]
STEP = 0.1  # seconds between the moments that are judged
SOUNDS = (".ogg", ".wav", ".flac")


def moments(model, folder: Path) -> dict[str, np.ndarray]:
    """Return what a recogniser said at moments of songs, and whether it was right.

    Args:
        model: Recogniser without calibration.
        folder: Songs and their `.lab` files.

    Returns:
        For each vocabulary float64 `(moments, 2)`: confidence, and 0 or 1.
    """
    songs = songs_of(folder)
    own = model.vocabulary.name
    names = [own, *(name for name in VOCABULARIES if coarser(name, own))]
    rows: dict[str, list] = {name: [] for name in names}
    for song, heard in zip(songs, model.iter_chordograms(songs), strict=True):
        truth = ChordSequence.from_lab(song.with_suffix(".lab"))
        times = np.arange(STEP / 2, truth.duration, STEP)
        for name, parts in rows.items():
            chords = heard.decode(None if name == own else name)
            at = np.searchsorted(chords.intervals[:, 0], times, side="right") - 1
            compare = getattr(chord, COMPARISONS.get(name, "tetrads"))
            right = compare(truth.sample(times), chords.sample(times))
            pairs = np.stack([chords.confidences[at], right], axis=1)
            parts.append(pairs[right >= 0])
    return {name: np.concatenate(parts) for name, parts in rows.items()}


def songs_of(folder: Path) -> list[Path]:
    """Return the sound files of a folder."""
    return sorted(path for path in folder.iterdir() if path.suffix in SOUNDS)


def coarser(name: str, own: str) -> bool:
    """Whether a vocabulary has fewer chords than the model's own."""
    return name != own and len(get_vocabulary(name)) < len(get_vocabulary(own))


def error(confidences, right) -> float:
    """Return the expected calibration error over time."""
    return calibration(right[:, None], confidences[:, None]).error


def fit(preset: str, songs: Path, judges: Path) -> tuple[dict, dict]:
    """Fit a preset.

    Returns:
        `(curves, judged)`: slope and offset by vocabulary; and by vocabulary the
        moments of the judged songs, with the new confidence as a third column.
    """
    model = kmt.ChordRecognizer.from_pretrained(preset)
    model.calibration = {}
    curves, judged = {}, {}
    given, seen = moments(model, songs), moments(model, judges)
    for name, pairs in given.items():
        curves[name] = [round(x, 3) for x in fit_calibration(*pairs.T)]
        new = calibrated(seen[name][:, 0], *curves[name])
        judged[name] = np.column_stack([seen[name], new])
    return curves, judged


def errors(judged: dict) -> dict:
    """Return the calibration error of each vocabulary, before and after."""
    return {
        name: {
            "before": round(error(moment[:, 0], moment[:, 1]), 4),
            "after": round(error(moment[:, 2], moment[:, 1]), 4),
        }
        for name, moment in judged.items()
    }


def write(preset: str, curves: dict, judged: dict, songs: int) -> None:
    """Put the curves, fitted to some songs, into the record of a preset."""
    path = PRESETS / f"{preset}.json"
    record = json.loads(path.read_text("utf-8"))
    record["config"]["calibration"] = curves
    about = {
        "meaning": "share of a segment's time that is right",
        "fitted_on": f"{songs} rendered songs of 45 s, no recordings",
        "judged_on": "24 other rendered songs of 45 s with another soundfont",
        "expected_calibration_error": errors(judged),
    }
    record.pop("confidence", None)
    items = list(record.items())
    place = [key for key, _ in items].index("deviations")
    items.insert(place, ("confidence", about))
    path.write_text(json.dumps(dict(items), indent=1) + "\n", "utf-8")


def draw(judged: dict, path: Path) -> None:
    """Draw for each preset how often chords of each confidence were right."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, len(judged), figsize=(3.2 * len(judged), 3.4), sharey=True
    )
    for ax, (preset, by_vocabulary) in zip(
        np.atleast_1d(axes), judged.items(), strict=True
    ):
        moment = next(iter(by_vocabulary.values()))
        ax.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        for column, name in ((0, "mean probability"), (2, "confidence")):
            bins = calibration(moment[:, 1:2], moment[:, column : column + 1])
            ax.plot(
                bins.mean_scores,
                bins.positive_rates,
                marker="o",
                label=f"{name}, error {bins.error:.3f}",
            )
        ax.set(title=preset, xlabel="said", xlim=(0, 1), ylim=(0, 1))
        ax.legend(loc="lower right", fontsize=7, frameon=False)
    np.atleast_1d(axes)[0].set_ylabel("share of the time that is right")
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main() -> None:
    """Fit, show, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--fit", type=Path, required=True, help="songs to fit to")
    add("--judge", type=Path, required=True, help="other songs")
    add("--presets", default=",".join(CHORDS))
    add("--write", action="store_true", help="change the records of the presets")
    add("--picture", type=Path, help="PNG file to draw")
    options = parser.parse_args()
    judged = {}
    for preset in options.presets.split(","):
        curves, judged[preset] = fit(preset, options.fit, options.judge)
        for name, values in errors(judged[preset]).items():
            print(preset, name, curves[name], values, flush=True)
        if options.write:
            write(preset, curves, judged[preset], len(songs_of(options.fit)))
    if options.picture:
        draw(judged, options.picture)


if __name__ == "__main__":
    main()
