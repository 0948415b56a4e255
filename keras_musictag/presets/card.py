"""The model card that goes with a saved model."""

import re

CARD = """\
---
{head}
---

# {title}

{what}, a `{class_name}` of keras-musictag for Keras 3 on TensorFlow, JAX or PyTorch.

```bash
pip install keras-musictag
```

```python
import keras_musictag as kmt

{usage}
```

- Input: audio files, or arrays with their sample rate; they are mixed to mono and
  resampled to {sampling_rate} Hz.
{problem}- Output: {output}.
{sections}"""

TAGS = """\
model = kmt.MusicTagger.from_pretrained("{name}")
model.tag("song.mp3", top_k=5)  # [(label, score), ...]
model.taggram("song.mp3").plot()  # over time
model.embed("song.mp3")  # for similarity, or classifiers of your own"""
EMBEDDINGS = """\
model = kmt.MusicTagger.from_pretrained("{name}")
model.embed("song.mp3")  # for similarity, or classifiers of your own"""
CHORDS = """\
model = kmt.ChordRecognizer.from_pretrained("{name}")
model.recognize("song.mp3").to_lab("song.lab")"""
BEATS = """\
model = kmt.BeatTracker.from_pretrained("{name}")
model.track("song.mp3").to_beats("song.beats")"""
KEYS = """\
model = kmt.KeyRecognizer.from_pretrained("{name}")
model.recognize("song.mp3").key"""

# By task: what the model makes, what its outputs are, and how the Hub calls the task.
TASKS = {
    "tags": ("Music tags from audio", "labels", "Music tagging", TAGS),
    "chords": ("Chords from audio", "chords", "Chord recognition", CHORDS),
    "beats": ("Beats from audio", "beats and downbeats", "Beat tracking", BEATS),
    "key": ("Keys from audio", "the 24 major and minor keys", "Key recognition", KEYS),
}

# How the Hub and readers know our scores; others are those of mir_eval for chords.
METRICS = {
    "roc_auc": ("roc_auc", "ROC-AUC, macro"),
    "pr_auc": ("average_precision", "PR-AUC, macro"),
}
NO_SCORES = ("dataset", "split", "source")


def model_card(record: dict, name: str) -> str:
    """Write the card of a saved model.

    Scores of the preset that a model was made from are only in the card if its
    weights are still those.

    Args:
        record: The contents of its `config.json`.
        name: What the example passes to `from_pretrained`: a repository or folder.

    Returns:
        Markdown with a YAML head, as the Hugging Face Hub reads it.
    """
    origin = record.get("origin") or {}
    labels = list(record.get("id2label", {}).values())
    problem = record.get("problem_type")
    made, outputs, task, usage = TASKS[record["task"]]
    if record["task"] == "tags" and not labels:
        made, outputs, usage = "Embeddings from audio", "embeddings", EMBEDDINGS
    same = origin.get("weights_sha256") == record["weights"]["sha256"]
    scores = [*origin.get("reported", []), *origin.get("measured", [])] if same else []
    title = origin["preset"] if same else name.rpartition("/")[2]
    return CARD.format(
        head=_head(origin, title, scores, task),
        title=title,
        what=made,
        class_name=record["class_name"],
        usage=usage.format(name=name),
        sampling_rate=record.get("sampling_rate"),
        problem=f"- Problem type: `{problem}`\n" if problem else "",
        output=f"scores of {len(labels)} {outputs}" if labels else outputs,
        sections=_labels(labels) + _results(scores) + _origin(origin, same),
    )


def _head(origin: dict, title: str, scores: list[dict], task: str) -> str:
    """The YAML head, through the Hub's own writer."""
    from huggingface_hub import EvalResult, ModelCardData

    trained_on = origin.get("trained_on")
    datasets = {s["dataset"] for s in origin.get("reported", [])} & {trained_on}
    results = [
        EvalResult(
            task_type="audio-classification",
            task_name=task,
            dataset_type=_slug(score["dataset"]),
            dataset_name=score["dataset"],
            dataset_split=score["split"],
            metric_type=kind,
            metric_name=title_of_metric,
            metric_value=value,
        )
        for score in scores
        for kind, title_of_metric, value in _values(score)
    ]
    data = ModelCardData(
        library_name="keras-musictag",
        pipeline_tag="audio-classification",
        license=origin["license"].lower() if origin.get("license") else None,
        tags=["music", "keras", task.lower().replace(" ", "-")],
        datasets=[_slug(dataset) for dataset in sorted(datasets)] or None,
        metrics=list(dict.fromkeys(r.metric_type for r in results)) or None,
        model_name=title,
        eval_results=results or None,
    )
    if not results:
        data.model_name = None  # stands in the results alone
    return data.to_yaml()


def _values(score: dict) -> list[tuple[str, str, float]]:
    """Kind, name and value of each score in a record."""
    return [
        (*METRICS.get(key, (key, f"{key} (mir_eval)")), round(value, 4))
        for key, value in score.items()
        if key not in NO_SCORES
    ]


def _slug(dataset: str) -> str:
    short = re.split(r"[(,]", dataset)[0]
    return re.sub(r"[^a-z0-9]+", "-", short.lower()).strip("-")


def _labels(labels: list[str]) -> str:
    if not labels:
        return ""
    return f"\n## Labels\n\n{', '.join(f'`{label}`' for label in labels)}\n"


def _results(scores: list[dict]) -> str:
    if not scores:
        return ""
    rows = [
        f"| {s['dataset']} | {s['split']} | {name} | {value} | {s.get('source', '')} |"
        for s in scores
        for _, name, value in _values(s)
    ]
    head = ["| data set | split | score | value | source |", "|---|---|---|---:|---|"]
    return "\n".join(["\n## Results\n", *head, *rows, ""])


def _made_from(origin: dict, same: bool) -> str:
    if "preset" not in origin:  # a model of another library
        where = f"`{origin['repository']}`" if "repository" in origin else "a folder"
        return f"Made from the weights in {where}, of another library"
    preset = f"the preset `{origin['preset']}`"
    if same:
        return f"These are the weights of {preset}"
    return f"Made from {preset}; its weights were changed since"


def _origin(origin: dict, same: bool) -> str:
    if not origin:
        return ""
    lines = ["\n## Origin\n", f"- {_made_from(origin, same)}"]
    if origin.get("license"):
        whose = "the preset" if origin.get("preset") else "these weights"
        lines.append(f"- Licence of {whose}: {origin['license']}")
    if origin.get("training_data_terms"):
        lines.append(f"- Terms of its training data: {origin['training_data_terms']}")
    if origin.get("copyright"):
        lines.append(f"- {origin['copyright']}")
    if origin.get("authors"):
        lines.append(f"- Authors of its weights: {', '.join(origin['authors'])}")
    if origin.get("trained_on"):
        lines.append(f"- It was trained on: {origin['trained_on']}")
    if origin.get("limits"):
        lines.append(f"- Limits: {origin['limits']}")
    text = "\n".join(lines) + "\n"
    if origin.get("citation"):
        text += f"\n## Citation\n\n```bibtex\n{origin['citation'].strip()}\n```\n"
    return text
