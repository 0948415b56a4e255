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


def records() -> tuple[list[dict], list[dict]]:
    """Return the presets of taggers, and those of chord recognisers."""
    from keras_musictag.presets import list_presets, preset_info

    made = [preset_info(name) for name in list_presets()]
    chords = [record for record in made if record["task"] == "chords"]
    return [record for record in made if record not in chords], chords


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
    taggers, chords = records()
    text = HEAD + "\n".join(rows(taggers)) + "\n"
    text += CHORD_HEAD + "\n".join(chord_rows(chords)) + "\n"
    if "--check" in sys.argv:
        if PAGE.read_text("utf-8") != text:
            raise SystemExit(f"{PAGE.name} is stale: run python tools/model_table.py")
        return
    PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
