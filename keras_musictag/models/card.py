"""The model card that goes with a saved model."""

CARD = """\
---
library_name: keras-musictag
pipeline_tag: audio-classification
{license}tags:
- music
- keras
---

# {title}

A `{class_name}` for Keras 3, saved by keras-musictag.

```python
import keras_musictag as kmt

{usage}
```

- Input: mono audio at {sampling_rate} Hz; files and arrays are resampled.
{problem}- Labels ({n_labels}): {labels}
{origin}"""

TAGS = """\
model = kmt.MusicTagger.from_pretrained("path/to/this/folder")
model.tag("song.mp3")"""
CHORDS = """\
model = kmt.ChordRecognizer.from_pretrained("path/to/this/folder")
model.recognize("song.mp3").to_lab("song.lab")"""


def model_card(record: dict) -> str:
    """Write the card of a saved model.

    Args:
        record: The contents of its `config.json`.

    Returns:
        Markdown with a YAML head, as the Hugging Face Hub reads it.
    """
    origin = record.get("origin") or {}
    labels = list(record.get("id2label", {}).values())
    problem = record.get("problem_type")
    return CARD.format(
        title=origin.get("preset", record["class_name"]),
        class_name=record["class_name"],
        license=_license(origin),
        sampling_rate=record.get("sampling_rate"),
        usage=CHORDS if "vocabulary" in record["config"] else TAGS,
        problem=f"- Problem type: `{problem}`\n" if problem else "",
        n_labels=len(labels),
        labels=", ".join(labels),
        origin=_origin(origin),
    )


def _license(origin: dict) -> str:
    return f"license: {origin['license'].lower()}\n" if origin.get("license") else ""


def _origin(origin: dict) -> str:
    if not origin:
        return ""
    lines = [f"- Made from the preset `{origin['preset']}`"]
    if origin.get("authors"):
        lines.append(f"- Authors of its weights: {', '.join(origin['authors'])}")
    if origin.get("trained_on"):
        lines.append(f"- Trained on: {origin['trained_on']}")
    if origin.get("limits"):
        lines.append(f"- Limits: {origin['limits']}")
    text = "\n".join(lines) + "\n"
    if origin.get("citation"):
        text += f"\n```bibtex\n{origin['citation'].strip()}\n```\n"
    return text
