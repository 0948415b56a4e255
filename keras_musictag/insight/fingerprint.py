"""What decides the embeddings of a tagger, as indexes and libraries note it."""

import json
from typing import Any

from keras_musictag.presets.weights import weights_digest


def fingerprint(tagger, layer: str = "penultimate") -> dict[str, Any]:
    """Describe what decides the embeddings of a tagger.

    Args:
        tagger: A `MusicTagger`; or a `ChordRecognizer`, with the layer `"scores"`.
        layer: The endpoint; `"scores"` counts the head in.

    Returns:
        A dict of plain values: the class, the preset if there is one, and a SHA-256
        of the weights (without the head) and of how tracks are cut.
    """
    chunking = str(getattr(tagger, "chunking", None))
    rules = [type(tagger).__name__, layer, tagger.sample_rate, chunking]
    parts = [tagger] if layer == "scores" else [tagger.frontend, tagger.backbone]
    variables = [variable for part in parts for variable in part.weights]
    words = getattr(tagger, "words", None)
    if layer == "scores" and words is not None:
        # Made anew at each start, their numbers differ in the last bits.
        rules.append(words)
        made = {variable.path for variable in tagger.head.weights}
        variables = [variable for variable in variables if variable.path not in made]
    origin = getattr(tagger, "origin", None) or {}
    return {
        "class": type(tagger).__name__,
        "preset": origin.get("preset"),
        "sha256": weights_digest(json.dumps(rules), variables),
    }
