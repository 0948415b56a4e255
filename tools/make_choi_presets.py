"""Write the presets of Choi's own networks and of the mood baseline of MTG-Jamendo.

    python tools/make_choi_presets.py ../shared/reference

Reads labels and counts of tags from the reference folder. The weights stay with their
authors. The files come out the same byte for byte; with `--check` a stale one is an
error.
"""

import argparse
import csv
import gzip
import json
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "keras_musictag" / "presets"
CHOI = {
    "repository": "keunwoochoi/music-auto_tagging-keras",
    "commit": "a3e105d0c4c529c512cc197ad8770ff1cc52aa32",
}
JAMENDO = {
    "repository": "MTG/mtg-jamendo-dataset",
    "commit": "1b4fa8c32e076c73b5175c1703ae805b4109309d",
}
CRNN_WEIGHTS = {
    "model": "data/music_tagger_crnn_weights_tensorflow.h5",
    "git_blob": "9faa83fc15365f38ef27d0b411dc29b1da78bf0a",
    "sha256": "df63638de9f3113780768181670c554f122fbd1297c63c065836d70a251115a8",
    "bytes": 1649464,
}
FCN_WEIGHTS = {
    "model": "data/music_tagger_cnn_weights_tensorflow.h5",
    "git_blob": "ba13a240cb7d31d1873192ee3ba33481201904d9",
    "sha256": "8b61b73a8065cb084a9b56e8b5421ee876f38a1aca109ec2ad336e3a17c7c421",
    "bytes": 3523472,
}
JAMENDO_WEIGHTS = {
    "model": "scripts/baseline/models/best_model.pth",
    "git_blob": "a5018231f1315674034e242207696886dec2817a",
    "sha256": "c1d6bee6bc25d78b28cea52bde68a353b3e674687171a78af020fa039d3cbdbe",
    "bytes": 1803131,
}
MOODS = "MTG-Jamendo (56 moods and themes)"
MSD = "Million Song Dataset (Last.fm tags)"
PROBABILITY = "largest change of a probability"

# What, choice, cost if changed. The costs are those of the references' README and, for
# chunks, measured on 8 clips of 25 to 45 s.
CHUNKS = (
    "chunks of a track",
    "changed: chunks of 29.12 s over the whole track, the last one moved back to end "
    "with it; the original hears its middle",
)
NORMS = (
    "what the weights call running_std",
    "kept as Keras 1.0 had it in training: a deviation, which is divided by, of input "
    "that is standardised. Keras 1.2 took it for a variance, and so do the scores that "
    "the repository prints, for decibels as they are",
)
SPECTROGRAM = (
    "power of the mel bands",
    "kept: squared once more; of it 80 dB below the loudest are heard, 40 dB of power",
)
STANDARD = (
    "standardisation",
    "each chunk by its own mean and deviation; whether training had one pair for all "
    "is not known",
)
CRNN_DEVIATIONS = [
    (*NORMS, f"0.77 ({PROBABILITY}, 12 clips); 0.59 for the reading that is printed"),
    (*STANDARD, f"0.16 ({PROBABILITY}, 12 clips) for (dB + 26) / 16"),
    (*SPECTROGRAM, f"0.41 ({PROBABILITY}, 8 clips)"),
    (
        "gates",
        "kept: 0.2 x + 0.5 from 0 to 1, the hard sigmoid of Keras 1",
        f"0.21 ({PROBABILITY}, 12 clips) for that of Keras 3",
    ),
    (
        "37 frames of zeros on both sides",
        "kept: before the norms of the frames",
        f"0.020 ({PROBABILITY}, 12 clips)",
    ),
    (*CHUNKS, f"0.12 ({PROBABILITY}, 8 clips)"),
]
FCN_DEVIATIONS = [
    (*NORMS, f"1.0 ({PROBABILITY}, 12 clips)"),
    (*STANDARD, f"0.20 ({PROBABILITY}, 12 clips) for (dB + 26) / 16"),
    (*SPECTROGRAM, f"0.26 ({PROBABILITY}, 8 clips)"),
    (
        "filters",
        "those of the weights: 32, 128, 128, 192, 256; the code has others",
        "the weights would not fit",
    ),
    (*CHUNKS, f"0.065 ({PROBABILITY}, 8 clips)"),
]
JAMENDO_DEVIATIONS = [
    (
        "resampling of files",
        "changed: soxr HQ instead of linear interpolation, which lets aliases through; "
        "np.interp(arange(n) * rate / 12000 - 1, arange(len(x)), x) is the original's "
        "within 0.0018",
        f"0.055 ({PROBABILITY}, 8 clips)",
    ),
    (
        "decibels",
        "kept: doubled, from -200 on, whatever the loudest is",
        f"0.31 ({PROBABILITY}, 8 clips); 0.25 for a floor of -100; 0.15 for the "
        "loudest at 0",
    ),
    ("window", "kept: symmetric Hann", f"0.0015 ({PROBABILITY}, 8 clips)"),
    (
        "end of a chunk",
        "changed: the last frames hear 240 samples more, where there are any",
        f"0.0009 ({PROBABILITY}, 7 clips)",
    ),
    (*CHUNKS, f"0.052 ({PROBABILITY}, 8 clips)"),
    (
        "audio of less than 29.1 s",
        "changed: zero-padded; the original fails",
        "none: the original gives no scores",
    ),
]


def records(reference: Path) -> dict[str, dict]:
    """Return every record by its name."""
    made = [
        _choi(
            "crnn_choi_msd",
            "CRNNTagger",
            {},
            CRNN_WEIGHTS,
            what="Convolutional recurrent network of Choi et al., their own weights",
            key="choi2017convolutional",
            roc_auc=0.8662,
            deviations=CRNN_DEVIATIONS,
            names=_names(reference / "choi"),
        ),
        _choi(
            "fcn_choi_msd",
            "FCNTagger",
            {"filters": [32, 128, 128, 192, 256]},
            FCN_WEIGHTS,
            what="Fully convolutional network of Choi et al., their own weights",
            key="choi2016automatic",
            roc_auc=0.8654,
            deviations=FCN_DEVIATIONS,
            names=_names(reference / "choi"),
        ),
        _moods(reference),
    ]
    return {record["name"]: record for record in made}


def _choi(
    name, class_name, sizes, weights, *, what, key, roc_auc, deviations, names
) -> dict:
    labels, priors_from = _like_musicnn(names)
    config = {"labels": labels, "variant": "choi", **sizes, "name": name}
    reported = {
        "dataset": MSD,
        "split": "choi",
        "roc_auc": roc_auc,
        "source": f"README of {CHOI['repository']}",
    }
    return {
        "name": name,
        "class_name": class_name,
        "task": "tags",
        "description": f"{what}, trained on {MSD}, 50 tags.",
        "config": config,
        "priors_from": priors_from,
        **_place(CHOI, weights, "keras1"),
        "license": "MIT",
        "commercial_use": True,
        "training_data_terms": None,
        "authors": ["Keunwoo Choi", "György Fazekas", "Mark Sandler", "Kyunghyun Cho"]
        if class_name == "CRNNTagger"
        else ["Keunwoo Choi", "György Fazekas", "Mark Sandler"],
        "copyright": "Copyright (c) 2016 Keunwoo Choi",
        "citation": _citation(key),
        "trained_on": MSD,
        "reported": [reported],
        "deviations": _rows(deviations),
    }


def _moods(reference: Path) -> dict:
    names = _names(reference / "jamendo_moods")
    priors, tracks = _priors(reference / "splits", names)
    labels = {"names": names, "groups": ["mood"] * len(names), "priors": priors}
    reported = {
        "dataset": MOODS,
        "split": "split-0",
        "roc_auc": 0.7258,
        "pr_auc": 0.1077,
        "source": f"results/mediaeval/baseline_vggish_results.tsv of "
        f"{JAMENDO['repository']}",
    }
    return {
        "name": "jamendo_moods",
        "class_name": "FCNTagger",
        "task": "tags",
        "description": "The baseline of MediaEval 2019 for moods and themes, trained "
        "on MTG-Jamendo, 56 tags.",
        "config": {"labels": labels, "variant": "jamendo", "name": "jamendo_moods"},
        "priors_from": f"share of the {tracks:,} tracks of split-0 that carry the tag",
        **_place(JAMENDO, JAMENDO_WEIGHTS, "pytorch"),
        "license": "Apache-2.0",
        "commercial_use": None,
        "training_data_terms": "The licence is that of the code, beside which the "
        "weights lie; it does not name them. The tags that they were trained on are "
        "under CC BY-NC-SA 4.0, the audio under a Creative Commons licence for each "
        "track.",
        "authors": [
            "Dmitry Bogdanov",
            "Minz Won",
            "Philip Tovstogan",
            "Alastair Porter",
            "Xavier Serra",
        ],
        "copyright": "Copyright 2019-2023 Music Technology Group, Universitat Pompeu "
        "Fabra",
        "citation": _citation("bogdanov2019mtg"),
        "trained_on": MOODS,
        "reported": [reported],
        "deviations": _rows(JAMENDO_DEVIATIONS),
        "limits": "Scores are low: rank them, or take a threshold for each tag; 0.5 "
        "shows almost nothing. On the test tracks deep, heavy and summer are told "
        "best, movie, travel and dream hardly. On rendered music happy and sad did not "
        "follow major and minor.",
    }


def _names(folder: Path) -> list[str]:
    return json.loads((folder / "labels.json").read_text("utf-8"))


def _place(origin: dict, file: dict, kind: str) -> dict:
    url = "https://raw.githubusercontent.com/{repository}/{commit}/".format(**origin)
    identity = {key: file[key] for key in ("git_blob", "sha256", "bytes")}
    weights = {"source": "upstream", "url": url + file["model"], "format": kind}
    return {
        "weights": {**weights, **identity},
        "origin": {**origin, "model": file["model"]},
    }


def _like_musicnn(names: list[str]) -> tuple[dict, str]:
    """Labels in another order, with the groups and priors that Musicnn's have."""
    record = json.loads((FOLDER / "musicnn_msd.json").read_text("utf-8"))
    theirs = record["config"]["labels"]
    order = [theirs["names"].index(name) for name in names]
    values = {key: [theirs[key][i] for i in order] for key in ("groups", "priors")}
    return {"names": names, **values}, record["priors_from"]


def _priors(splits: Path, names: list[str]) -> tuple[list[float], int]:
    every = json.loads((splits / "tags.json").read_text("utf-8"))["mtg_jamendo_all"]
    wanted = {every.index(f"mood/theme---{name}"): name for name in names}
    with gzip.open(splits / "mtg_jamendo_tracks.tsv.gz", "rt", encoding="utf-8") as f:
        tracks = [
            {int(i) for i in row["tags"].split(",") if i} & set(wanted)
            for row in csv.DictReader(f, delimiter="\t")
            if row["folds"][0] in "012"
        ]
    tracks = [track for track in tracks if track]
    counts = [sum(i in track for track in tracks) for i in wanted]
    return [round(count / len(tracks), 5) for count in counts], len(tracks)


def _rows(rows: list[tuple[str, str, str]]) -> list[dict]:
    keys = ("what", "choice", "cost_if_changed")
    return [dict(zip(keys, row, strict=True)) for row in rows]


def _citation(key: str) -> str:
    text = Path(__file__).with_name("sota.bib").read_text("utf-8").strip()
    entries = {re.match(r"@\w+\{(\w+),", e)[1]: e for e in text.split("\n\n")}
    return entries[key]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", type=Path, help="the folder reference/")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    made = records(options.reference)
    for name, record in made.items():
        path = FOLDER / f"{name}.json"
        text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        if options.check and path.read_text("utf-8") != text:
            raise SystemExit(f"{path.name} is stale")
        if not options.check:
            path.write_text(text, "utf-8")
    print(f"{len(made)} presets")


if __name__ == "__main__":
    main()
