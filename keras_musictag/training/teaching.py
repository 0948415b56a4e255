"""Teach a tagger a new tag by examples, and ask about the most telling tracks."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from keras_musictag.checks import check_positive_int
from keras_musictag.errors import ConfigError, LabelError
from keras_musictag.models.fitting.probe import embed_tracks, train_probe
from keras_musictag.models.tagger import MusicTagger
from keras_musictag.presets import weights

FilePath = str | os.PathLike


class TaughtTag:
    """A tag that is being taught; made by `teach`.

    Args:
        tagger, name, pool, cache, seed: As in `teach`.
        answers: Whether each file has the tag, by its path.

    Attributes:
        name: The tag.
        answers: What was said so far, by path.
        pool: The tracks that may be asked about.
    """

    def __init__(
        self,
        tagger: MusicTagger,
        name: str,
        answers: dict[str, bool],
        *,
        pool: Sequence[FilePath] = (),
        cache=None,
        seed: int = 0,
    ):
        self.name, self.cache, self.seed = name, cache, seed
        self.pool = list(dict.fromkeys(os.fspath(path) for path in pool))
        self.answers = dict(answers)
        self._source = tagger
        self._embeddings: dict[str, np.ndarray] = {}
        self._bad: set[str] = set()
        self._tagger: MusicTagger | None = None
        self._embed(self.answers)
        self.answers = {p: yes for p, yes in answers.items() if p in self._embeddings}
        self._check()

    @property
    def tagger(self) -> MusicTagger:
        """The tagger of this one tag, as good as the answers so far make it."""
        if self._tagger is None:
            tagger = with_labels(self._source, [self.name])
            train_probe(
                tagger,
                y=np.array([[yes] for yes in self.answers.values()], "float32"),
                embeddings=np.stack([self._embeddings[p] for p in self.answers]),
                seed=self.seed,
            )
            self._tagger = tagger
        return self._tagger

    def ask(self, n: int = 1) -> list[str]:
        """Return the tracks of the pool that the tagger is least certain about.

        Args:
            n: How many, at most.

        Returns:
            Paths, the least certain first; those already answered are left out.

        Raises:
            ConfigError: If there is no pool.
        """
        n = check_positive_int(n, name="n")
        if not self.pool:
            raise ConfigError(
                "There are no tracks to ask about.",
                received="no pool",
                advice="Pass pool=[...] with the files of a collection.",
            )
        left = [path for path in self.pool if path not in self.answers]
        self._embed(left)
        left = [path for path in left if path in self._embeddings]
        if not left:
            return []
        logits = self.tagger.head.get_layer("logits")
        kernel, bias = (np.asarray(w) for w in logits.get_weights())
        odds = np.stack([self._embeddings[p] for p in left]) @ kernel[:, 0] + bias[0]
        return [left[i] for i in np.argsort(np.abs(odds), kind="stable")[:n]]

    def answer(self, path: FilePath, yes: bool) -> None:
        """Say whether a track has the tag; the tagger is trained anew when needed.

        Args:
            path: The file, of the pool or another one.
            yes: Whether it has the tag.

        Raises:
            AudioError: If the file cannot be read.
        """
        path = os.fspath(path)
        if path not in self._embeddings:
            self._embeddings[path] = self._source.embed(path)
        self.answers[path] = bool(yes)
        self._tagger = None

    def _embed(self, paths: Iterable[str]) -> None:
        new = [p for p in paths if p not in self._embeddings and p not in self._bad]
        rows = embed_tracks(self._source, new, cache=self.cache) if new else []
        for path, row in zip(new, rows, strict=True):
            if row is None:
                self._bad.add(path)
            else:
                self._embeddings[path] = row

    def _check(self) -> None:
        for wanted, what in ((True, "yes"), (False, "no")):
            if wanted not in self.answers.values():
                raise LabelError(
                    f"The tag {self.name!r} needs at least one example of each kind.",
                    received=f"no readable track in `{what}`",
                    advice=f"Pass {what}=[...] with files that "
                    f"{'have' if wanted else 'do not have'} the tag.",
                )


def teach(
    tagger: MusicTagger,
    yes: Sequence[FilePath],
    no: Sequence[FilePath],
    *,
    name: str,
    pool: Sequence[FilePath] = (),
    cache=None,
    seed: int = 0,
) -> TaughtTag:
    """Teach a tagger a new tag by examples.

    The last layer is trained on the embeddings of the examples: with a few of each
    kind, in seconds. Then `ask` names the tracks of a collection whose answers would
    help most, the least certain ones, and `answer` takes them.

    Args:
        tagger: A pretrained `MusicTagger`; it stays as it is.
        yes: Files that have the tag.
        no: Files that do not have it.
        name: The tag.
        pool: Files of a collection to ask about.
        cache: Folder that keeps embeddings, so that the next time is faster.
        seed: Of the cross-validation.

    Returns:
        A `TaughtTag`; its `tagger` is a normal one with this one label. Files that
        cannot be read are left out, and named in an `AudioWarning`.

    Raises:
        LabelError: If there is no example of one kind, or a file is in both.

    References:
        - Lewis and Gale, "A sequential algorithm for training text classifiers",
          SIGIR 1994: asking about the least certain items.

    Example:

    ```python
    import keras_musictag as kmt

    lesson = kmt.teach(
        kmt.MusicTagger.from_pretrained(),
        yes=["a.mp3", "b.mp3"],
        no=["c.mp3"],
        name="late night",
        pool=["d.mp3", "e.mp3", "f.mp3"],
    )
    for path in lesson.ask(2):
        lesson.answer(path, input(f"{path}: late night? ") == "y")
    lesson.tagger.save_pretrained("late_night")
    ```
    """
    if not isinstance(tagger, MusicTagger):
        raise ConfigError(
            "`teach` needs a tagger.",
            received=type(tagger).__name__,
            advice="Load one: kmt.MusicTagger.from_pretrained().",
        )
    positive, negative = _paths(yes, "yes"), _paths(no, "no")
    both = sorted(set(positive) & set(negative))
    if both:
        raise LabelError(
            "A file cannot both have the tag and not have it.",
            received=f"{both[0]!r} in `yes` and in `no`",
            advice="Leave it in one of them.",
        )
    answers = {**dict.fromkeys(positive, True), **dict.fromkeys(negative, False)}
    return TaughtTag(tagger, name, answers, pool=pool, cache=cache, seed=seed)


def with_labels(
    tagger: MusicTagger,
    labels: Iterable[str],
    *,
    problem_type: str = "multi_label_classification",
) -> MusicTagger:
    """Return a copy of a tagger with a fresh head for other labels.

    Args:
        tagger: The tagger; it stays as it is.
        labels: Names of the labels.
        problem_type: Of the new head, see `MusicTagger`.

    Returns:
        A tagger of the same class, with the same weights before the head.
    """
    config = {
        **tagger.get_config(),
        "labels": list(labels),
        "problem_type": problem_type,
    }
    fresh = type(tagger).from_config(config)
    weights.copy_weights(fresh.weights, tagger.weights, skip=tagger.fresh_head_layers)
    fresh.chunking = tagger.chunking
    fresh.origin = getattr(tagger, "origin", None)
    return fresh


def _paths(files: Sequence[FilePath], name: str) -> list[str]:
    if isinstance(files, (str, Path)):
        raise ConfigError(
            f"`{name}` must be a list of files.",
            received=repr(files),
            advice=f"Put it in brackets: {name}=[{str(files)!r}].",
        )
    return list(dict.fromkeys(os.fspath(file) for file in files))
