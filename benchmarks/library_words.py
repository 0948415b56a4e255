"""How fast words find tracks among many: an index that is kept, and each engine.

    python benchmarks/library_words.py --tracks 100000

The embeddings are random, of the size of CLAP's; the words are one more of them. What
the text tower needs for a text is not in these figures: see `--text FOLDER`, a CLAP
that the transformers library has saved.
"""

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable

import numpy as np

from keras_musictag.insight.similarity import ENGINES, EmbeddingIndex


def main() -> None:
    """Print milliseconds per question: on the clock, and of the processor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--units", type=int, default=512)
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--text", help="folder of a CLAP whose text tower is timed")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    rows = random.standard_normal((options.tracks, options.units), "float32")
    questions = random.standard_normal((options.questions, options.units), "float32")
    found = {}
    for engine in ENGINES:
        if importlib.util.find_spec(engine) is None:
            continue
        index = EmbeddingIndex(rows, range(options.tracks), engine=engine)
        found[engine] = [name for name, _ in index.query(questions[0], 20)]
        show(engine, lambda row, index=index: index.query(row, 20), questions)
    assert len({tuple(names) for names in found.values()}) == 1, "engines disagree"
    if options.text:
        import keras_musictag as kmt

        tagger = kmt.CLAPTagger.from_pretrained(options.text, labels=["music"])
        texts = [f"rainy late-night jazz {n}" for n in range(options.questions)]
        show("text tower", tagger.embed_text, texts)


def show(name: str, ask: Callable, questions) -> None:
    """Time one question after the other; the first does not count."""
    ask(questions[0])
    took, worked = [], []
    for question in questions:
        start, before = time.perf_counter(), time.process_time()
        ask(question)
        took.append(1000 * (time.perf_counter() - start))
        worked.append(1000 * (time.process_time() - before))
    print(
        f"{name:10} {statistics.median(took):7.1f} ms, {min(took):.1f} to "
        f"{max(took):.1f} ms; processor {statistics.median(worked):.1f} ms"
    )


if __name__ == "__main__":
    main()
