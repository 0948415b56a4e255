"""Write the presets of the checkpoints that Won et al. published (2020).

    python tools/make_sota_presets.py ../shared/reference

Reads what the reference folder says of them: labels, blob ids, checksums, results,
counts of tags, and what each deviation costs. Checkpoints that are at hand there are
converted, for the checksum that their copy on the Hub must have. The files come out
the same byte for byte; with `--check` a stale one is an error.
"""

import argparse
import csv
import gzip
import json
import re
import tempfile
from pathlib import Path

from keras_musictag.conversion import convert_checkpoint
from keras_musictag.models import registry
from keras_musictag.presets.records import WEIGHTS_FILE
from keras_musictag.presets.weights import save_weights

FOLDER = Path(__file__).resolve().parent.parent / "keras_musictag" / "presets"
HUB = "keras-musictag"  # our organisation there
REPOSITORY = "minzwon/sota-music-tagging-models"
# A commit of 2021, after the last checkpoints (2020-07-14) were added.
COMMIT = "267158811b940a0ec431b2d1d8844d4e187ea02a"
URL = f"https://raw.githubusercontent.com/{REPOSITORY}/{COMMIT}/"
SOURCE = (
    f"final table (figs/performance.png) of {REPOSITORY}, as in the ISMIR 2021 "
    "tutorial book"
)
OLDER = "; slides of the first author give older figures for MagnaTagATune"

AUTHORS = ["Minz Won", "Andres Ferraro", "Dmitry Bogdanov", "Xavier Serra"]
COPYRIGHT = "Copyright (c) 2020 Music Technology Group, Universitat Pompeu Fabra"
DATASETS = {
    "mtat": ("MagnaTagATune", "won"),
    "msd": ("Million Song Dataset (Last.fm tags)", "lee"),
    "jamendo": ("MTG-Jamendo (50 most frequent tags)", "split-0"),
}
JAMENDO_TERMS = (
    "The tags are under CC BY-NC-SA 4.0, the audio under a Creative Commons licence "
    "for each track."
)
GROUPS = {"genre": "genre", "instrument": "instrument", "mood/theme": "mood"}
# Upstream name: preset, class, arguments, what it is, row of the results, and its
# paper in sota.bib.
MODELS = {
    "fcn": (
        "fcn",
        "FCNTagger",
        {},
        "Fully convolutional network",
        "FCN",
        "choi2016automatic",
    ),
    "musicnn": (
        "musicnn_won",
        "MusicnnTagger",
        {"variant": "won"},
        "Musicnn as trained by Won et al.",
        "Musicnn",
        "pons2018atscale",
    ),
    "crnn": (
        "crnn",
        "CRNNTagger",
        {},
        "Convolutional recurrent network",
        "CRNN",
        "choi2017convolutional",
    ),
    "sample": (
        "sample_cnn",
        "SampleCNNTagger",
        {},
        "Sample-level CNN on the waveform",
        "Sample-level",
        "lee2017sample",
    ),
    "se": (
        "sample_cnn_se",
        "SampleCNNTagger",
        {"squeeze_excitation": True},
        "Sample-level CNN with squeeze and excitation",
        "Sample-level + SE",
        "kim2018sample",
    ),
    "short_res": (
        "short_chunk_resnet",
        "ShortChunkCNNTagger",
        {"residual": True},
        "Residual CNN on short chunks",
        "Short-chunk CNN + Res",
        "",
    ),
    "attention": (
        "self_attention",
        "SelfAttentionTagger",
        {},
        "CNN and self-attention",
        "Self-attention",
        "won2019toward",
    ),
    "hcnn": (
        "harmonic_cnn",
        "HarmonicCNNTagger",
        {},
        "CNN on stacked harmonics",
        "Harmonic CNN",
        "won2020data",
    ),
}
WIDE = {"midend_filters": 512, "dense_units": 500}  # Musicnn on the MSD

# Largest change of a track's score on the four reference clips when the whole track
# is covered by full chunks, instead of the mean over 16 equally spaced ones.
COVERAGE = {
    ("crnn", "mtat"): 0.056,
    ("crnn", "msd"): 0.026,
    ("crnn", "jamendo"): 0.0071,
    ("fcn", "mtat"): 0.022,
    ("fcn", "msd"): 0.041,
    ("fcn", "jamendo"): 0.021,
    ("musicnn", "mtat"): 0.041,
    ("musicnn", "jamendo"): 0.018,
}

# Mistakes of the reference's tables that name a choice kept here.
KEPT = {
    "BatchNorm epsilon 1e-3 instead of 1e-5": (
        "epsilon of the batch normalisations",
        "kept: 1e-5, PyTorch's; Keras' default is 1e-3",
    ),
    "zero padding instead of reflect at the edges": (
        "padding of the centred spectrogram",
        "kept: reflect",
    ),
    'strided conv with TensorFlow "same" padding instead of 1 on each side': (
        "padding of strided convolutions",
        "kept: one on both sides",
    ),
    "mel: Slaney scale + Slaney norm (librosa default)": (
        "mel filter bank",
        "kept: HTK scale, peaks of 1; librosa's default is Slaney's",
    ),
    "GELU tanh approximation instead of erf": ("GELU", "kept: exact"),
    "LayerNorm epsilon 1e-3 instead of 1e-12": (
        "epsilon of the layer normalisations",
        "kept: 1e-12; Keras' default is 1e-3",
    ),
}


def records(reference: Path) -> dict[str, dict]:
    """Return every record by its name."""
    sota = reference / "sota"
    facts = {
        "labels": {data: _labels(reference, data) for data in DATASETS},
        "sums": _checksums(sota / "weights" / "SHA256SUMS"),
        "results": _results((sota / "README.md").read_text("utf-8")),
        "costs": _costs(sota),
    }
    rows = (
        row
        for row in _table(sota / "BLOBS.tsv")
        if row["dataset"] in DATASETS
        and row["model"] in MODELS
        and row["git_blob_sha1"] != "-"
    )
    made = (_record(row, **facts) for row in rows)
    made = {record["name"]: record for record in made}
    for record in made.values():
        weights, data = record["weights"], record["name"].rpartition("_")[2]
        if "sha256" in weights:
            file = f"{data}_{record['origin']['model']}.pth"
            weights["hub"] = _converted(record, sota / "weights" / file)
    return made


def _converted(record: dict, checkpoint: Path) -> dict:
    """Where the Hub has the converted weights, and how to know them again."""
    architecture = registry()[record["class_name"]]
    model = convert_checkpoint(checkpoint, architecture, **record["config"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / WEIGHTS_FILE
        made = save_weights(path, model.weights)
    return {"repository": f"{HUB}/{record['name']}", **made}


def _record(row: dict, labels: dict, sums: dict, results: dict, costs: dict) -> dict:
    data, model = row["dataset"], row["model"]
    name, kind, arguments, what, title, key = MODELS[model]
    if (model, data) == ("musicnn", "msd"):
        arguments = {**arguments, **WIDE}
    name = f"{name}_{data}"
    trained_on, split = DATASETS[data]
    config, priors_from = labels[data]
    roc_auc, pr_auc = results[title][data]
    reported = {
        "dataset": trained_on,
        "split": split,
        "roc_auc": roc_auc,
        "pr_auc": pr_auc,
        "source": SOURCE + (OLDER if data == "mtat" else ""),
    }
    return {
        "name": name,
        "class_name": kind,
        "task": "tags",
        "description": f"{what}, trained on {trained_on}, 50 tags.",
        "config": {"labels": config, **arguments, "name": name},
        "priors_from": priors_from,
        "weights": _weights(row, sums),
        "origin": {"repository": REPOSITORY, "commit": COMMIT, "model": model},
        "license": "MIT",
        "commercial_use": True,
        "training_data_terms": JAMENDO_TERMS if data == "jamendo" else None,
        "authors": AUTHORS,
        "copyright": COPYRIGHT,
        "citation": _citation("won2020evaluation", key),
        "trained_on": trained_on,
        "reported": [reported],
        "deviations": _deviations(model, data, costs),
    }


def _weights(row: dict, sums: dict) -> dict:
    size = row["bytes"]
    weights = {
        "source": "upstream",
        "url": URL + row["upstream_path"],
        "format": "pytorch",
        "git_blob": row["git_blob_sha1"],
        "bytes": int(size.removeprefix("~")),
        "bytes_exact": not size.startswith("~"),
    }
    digest = sums.get(f"{row['dataset']}_{row['model']}.pth")
    return weights | ({"sha256": digest} if digest else {})


def _labels(reference: Path, data: str) -> tuple[dict, str]:
    """Labels in output order with their groups and priors, and whence those are."""
    names = (reference / "sota" / f"labels_{data}.txt").read_text("utf-8").split("\n")
    names = [name for name in names if name]
    if data == "jamendo":
        groups = [GROUPS[name.partition("---")[0]] for name in names]
        priors, tracks = _jamendo_priors(reference / "splits", names)
        text = f"share of the {tracks:,} tracks of split-0 that carry the tag"
        return {"names": names, "groups": groups, "priors": priors}, text
    like = FOLDER / f"musicnn_{'mtt' if data == 'mtat' else data}.json"
    record = json.loads(like.read_text("utf-8"))
    theirs = record["config"]["labels"]
    order = [theirs["names"].index(name) for name in names]
    values = {key: [theirs[key][i] for i in order] for key in ("groups", "priors")}
    return {"names": names, **values}, record["priors_from"]


def _jamendo_priors(splits: Path, names: list[str]) -> tuple[list[float], int]:
    tags = json.loads((splits / "tags.json").read_text("utf-8"))["mtg_jamendo_all"]
    with gzip.open(splits / "mtg_jamendo_tracks.tsv.gz", "rt", encoding="utf-8") as f:
        tracks = [
            {tags[int(i)] for i in row["tags"].split(",") if i} & set(names)
            for row in csv.DictReader(f, delimiter="\t")
            if row["folds"][0] in "012"
        ]
    tracks = [track for track in tracks if track]
    counts = [sum(name in track for track in tracks) for name in names]
    return [round(count / len(tracks), 5) for count in counts], len(tracks)


def _results(readme: str) -> dict[str, dict[str, tuple[float, float]]]:
    """ROC-AUC and PR-AUC of each model by data set, from the table in the README."""
    results = {}
    for line in readme.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if len(cells) == 7 and all(re.match(r"0\.\d{4}", cell) for cell in cells[1:]):
            values = [float(cell[:6]) for cell in cells[1:]]
            pairs = zip(values[::2], values[1::2], strict=True)
            results[cells[0]] = dict(zip(DATASETS, pairs, strict=True))
    return results


def _costs(sota: Path) -> dict[tuple[str, str], dict[str, str]]:
    """What each mistake costs at most, by model and weights."""
    costs: dict = {}
    for file in ("mistakes_trained.tsv", "mistakes_random_full.tsv"):
        for row in _table(sota / file):
            key = (row["model"], row["weights"].removeprefix("trained "))
            cost = row["max_abs_score_error"]
            costs.setdefault(key, {})[row["mistake"]] = cost
    return costs


def _deviations(model: str, data: str, costs: dict) -> list[dict]:
    trained = costs.get((model, data))
    wide = (model, data) == ("musicnn", "msd")
    changes = trained or costs["musicnn_msd" if wide else model, "random full"]
    weights = "" if trained else ", random weights"
    rows = [
        (
            what,
            choice,
            f"{_short(changes[mistake])} (largest change of a score{weights})",
        )
        for mistake, (what, choice) in KEPT.items()
        if mistake in changes
    ]
    cost = COVERAGE.get((model, data))
    rows += [
        (
            "chunks of a track",
            "changed: full chunks over the whole track, the last one moved back to end "
            "with it; the paper's 16 equally spaced ones are "
            "`chunking=model.chunking.spaced(16)`",
            f"{_short(cost)} (largest change of a track's score, four clips of 30 s)"
            if cost
            else "not measured for these weights",
        ),
        (
            "resampling of files",
            "changed: soxr HQ instead of resampy's kaiser_best (librosa 0.7.2)",
            "not measured against resampy; 0.0067 against soxr VHQ, 0.042 against "
            "SciPy's polyphase filter (fcn_mtat, one clip)",
        ),
        (
            "audio shorter than a chunk",
            "changed: zero-padded; the original fails",
            "none: the original gives no scores",
        ),
        (
            "weights below 1.2e-38",
            "changed: 0, since they slow PyTorch down on a CPU",
            "none within float32",
        ),
    ]
    keys = ("what", "choice", "cost_if_changed")
    return [dict(zip(keys, row, strict=True)) for row in rows]


def _short(cost) -> str:
    return f"{float(cost):.2g}"


def _citation(*keys: str) -> str:
    text = Path(__file__).with_name("sota.bib").read_text("utf-8").strip()
    entries = text.split("\n\n")
    known = {re.match(r"@\w+\{(\w+),", entry)[1]: entry for entry in entries}
    return "\n".join(known[key] for key in keys if key)


def _checksums(path: Path) -> dict[str, str]:
    lines = path.read_text("utf-8").splitlines()
    return {line.split()[1].lstrip("*"): line.split()[0] for line in lines}


def _table(path: Path) -> list[dict]:
    lines = path.read_text("utf-8").splitlines()
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", type=Path, help="the folder reference/")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    made = records(options.reference)
    for name, record in sorted(made.items()):
        path = FOLDER / f"{name}.json"
        text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        if options.check and path.read_text("utf-8") != text:
            raise SystemExit(f"{path.name} is stale")
        if not options.check:
            path.write_text(text, "utf-8")
    print(f"{len(made)} presets")


if __name__ == "__main__":
    main()
