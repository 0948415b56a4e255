"""Write docs/models.md: every architecture, measured and as reported.

    python tools/model_table.py           # write the page
    python tools/model_table.py --check   # fail if it is stale

Sizes come from the built models, scores and weights from the presets.
"""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
PAGE = ROOT / "docs" / "models.md"
SCORES = ("roc_auc", "pr_auc")
KEY_SCORES = ("weighted", "correct")
BEAT_SCORES = ("f_measure", "downbeat_f_measure")
CHORD_SCORES = ("root", "majmin", "sevenths", "tetrads")
HEAD = """\
# Models

Made by `python tools/model_table.py`. MFLOPs are those of convolutions, dense and
recurrent layers for one second of audio, two per multiply-add, without the front-end.
Scores are those that the authors reported, on the named split of the data set:
**never compare two splits**. Those of Won et al. 2020 are from the paper's final table.

| preset | class | parameters | chunk (s) | MFLOPs | data set | split | ROC-AUC \
| PR-AUC | weights | licence |
|---|---|---:|---:|---:|---|---|---:|---:|---|---|
"""

CHORD_HEAD = """
## Chord recognisers

Scores are mir_eval's, on the named tracks: **never compare two data sets**. Rendered
songs say little about recordings; `kmt.preset_info(name)["limits"]` says more.

| preset | class | parameters | chords | data set | root | majmin | sevenths | tetrads \
| weights | licence |
|---|---|---:|---:|---|---:|---:|---:|---:|---|---|
"""


BEAT_HEAD = """
## Beat trackers

Scores are mir_eval's F-measures, on the named tracks.

| preset | class | parameters | data set | beats | downbeats | weights | licence |
|---|---|---:|---|---:|---:|---|---|
"""


KEY_HEAD = """
## Key recognisers

Scores are mir_eval's weighted key score and the share of right keys. The key from the
chords of a chord recogniser (`ChordKeyRecognizer`) needs no weights of its own; see
[keys](keys.md).

| preset | class | parameters | data set | weighted | correct | weights | licence |
|---|---|---:|---|---:|---:|---|---|
"""


def records() -> dict[str, list[dict]]:
    """Return the presets by their task."""
    from keras_musictag.presets import list_presets, preset_info

    made = [preset_info(name) for name in list_presets()]
    return {
        task: [record for record in made if record["task"] == task]
        for task in ("tags", "chords", "beats", "key")
    }


def beat_rows(beats: list[dict], names=BEAT_SCORES) -> list[str]:
    """Return one Markdown row per preset of a beat tracker or a key recogniser."""
    from keras_musictag.models import registry

    lines = []
    for record in beats:
        model = registry()[record["class_name"]].from_config(record["config"])
        score = next(iter(record["measured"]), None)
        cells = [f"`{record['name']}`", f"`{record['class_name']}`"]
        cells += [f"{model.count_params():,}"]
        cells += [f"{score['dataset']} ({score['split']})" if score else "not measured"]
        cells += [f"{score[k]:.3f}" if score else "" for k in names]
        cells += [place(record), record["license"]]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def chord_rows(chords: list[dict]) -> list[str]:
    """Return one Markdown row per preset of a chord recogniser."""
    from keras_musictag.models import registry

    lines = []
    for record in chords:
        model = registry()[record["class_name"]].from_config(record["config"])
        score = (record["reported"] or record["measured"])[0]
        cells = [f"`{record['name']}`", f"`{record['class_name']}`"]
        cells += [f"{model.count_params():,}", str(len(model.vocabulary))]
        cells += [f"{score['dataset']} ({score['split']})"]
        cells += [f"{score[k]:.3f}" if k in score else "" for k in CHORD_SCORES]
        cells += [place(record), record["license"]]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def place(record: dict) -> str:
    weights = record["weights"]
    where = "in the package" if weights["source"] == "bundled" else "fetched"
    return f"{where}, {weights['bytes'] / 1e6:.1f} MB"


def rows(taggers: list[dict]) -> list[str]:
    """Return one Markdown row per preset; each architecture is built once."""
    from keras_musictag.models import registry

    sizes: dict[str, tuple[str, str, str]] = {}
    lines = []
    for record in taggers:
        config = {k: v for k, v in record["config"].items() if k not in ("name",)}
        key = str(
            (record["class_name"], {k: v for k, v in config.items() if k != "labels"})
        )
        if key not in sizes:
            sizes[key] = measure(registry()[record["class_name"]].from_config(config))
        score = (record.get("reported") or [{}])[0]
        figures = [f"{score[k]:.4f}" if k in score else "" for k in SCORES]
        cells = [
            f"`{record['name']}`",
            f"`{record['class_name']}`",
            *sizes[key],
            record["trained_on"],
        ]
        cells += [score.get("split", ""), *figures]
        cells += [place(record), record["license"]]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def measure(model) -> tuple[str, str, str]:
    """Return parameters, seconds per chunk and MFLOPs per second, as text."""
    from flops import multiply_adds

    seconds = model.chunking.core / model.sample_rate
    shape = (1, *model.backbone.input_shape[1:])
    work = multiply_adds(model.backbone, np.zeros(shape, "float32"))
    work += int(np.prod(model.head.layers[-2].kernel.shape))
    return (
        f"{model.count_params():,}",
        f"{seconds:.2f}",
        f"{2 * work / seconds / 1e6:,.0f}",
    )


def main() -> None:
    presets = records()
    text = HEAD + "\n".join(rows(presets["tags"])) + "\n"
    text += CHORD_HEAD + "\n".join(chord_rows(presets["chords"])) + "\n"
    text += BEAT_HEAD + "\n".join(beat_rows(presets["beats"])) + "\n"
    text += KEY_HEAD + "\n".join(beat_rows(presets["key"], KEY_SCORES)) + "\n"
    if "--check" in sys.argv:
        if PAGE.read_text("utf-8") != text:
            raise SystemExit(f"{PAGE.name} is stale: run python tools/model_table.py")
        return
    PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
