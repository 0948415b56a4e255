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

model = kmt.MusicTagger.from_pretrained("path/to/this/folder")
model.tag("song.mp3")
```

- Input: mono audio at {sampling_rate} Hz; files and arrays are resampled.
- Problem type: `{problem_type}`
- Labels ({n_labels}): {labels}
{origin}"""


def model_card(record: dict) -> str:
    """Write the card of a saved model.

    Args:
        record: The contents of its `config.json`.

    Returns:
        Markdown with a YAML head, as the Hugging Face Hub reads it.
    """
    origin = record.get("origin") or {}
    labels = list(record.get("id2label", {}).values())
    return CARD.format(
        title=origin.get("preset", record["class_name"]),
        class_name=record["class_name"],
        license=_license(origin),
        sampling_rate=record.get("sampling_rate"),
        problem_type=record.get("problem_type"),
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
    text = "\n".join(lines) + "\n"
    if origin.get("citation"):
        text += f"\n```bibtex\n{origin['citation'].strip()}\n```\n"
    return text
