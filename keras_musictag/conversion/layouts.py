"""The layouts of other libraries whose models are read here.

Only the description and the numbers of such a model are read. A repository may bring
Python code along (`auto_map`); it is neither fetched nor run.
"""

from collections.abc import Mapping
from typing import Any

from keras_musictag.conversion import ast, clap, hubert
from keras_musictag.conversion.transformers import Layout
from keras_musictag.errors import PresetError

# By the `model_type` of a `config.json`. A new one needs a line here, and a file that
# gives its arguments and its names.
LAYOUTS: dict[str, Layout] = {
    "audio-spectrogram-transformer": ast.LAYOUT,
    "clap": clap.LAYOUT,
    "hubert": hubert.LAYOUT,
    "mert_model": hubert.LAYOUT,
}


def is_foreign(record: Any) -> bool:
    """Tell whether the contents of a `config.json` are those of another library."""
    if not isinstance(record, dict) or "class_name" in record:
        return False
    return "model_type" in record or "auto_map" in record


def layout_of(record: Mapping, source) -> Layout:
    """Return the layout of a model of another library.

    Args:
        record: Its `config.json`.
        source: Where it comes from, for messages.

    Raises:
        PresetError: If it is not known.
    """
    layout = LAYOUTS.get(str(record.get("model_type")))
    if layout is None:
        code = ", with code of its own" if "auto_map" in record else ""
        raise PresetError(
            f"{source} holds a model of another library whose layout is not known "
            "here. Code that a repository brings along is never run.",
            received=f"model_type={record.get('model_type')!r}{code}",
            advice=f"The known layouts are {', '.join(sorted(LAYOUTS))}.",
        )
    return layout
