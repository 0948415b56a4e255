"""Teach a tagger numbers of one's own, such as energy, from tracks that have them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from keras_musictag.checks import check_positive_int
from keras_musictag.data.collection import TrackList
from keras_musictag.errors import ConfigError, LabelError
from keras_musictag.metrics.regression import RegressionReport, regression_scores
from keras_musictag.models.fitting.probe import embed_tracks, train_probe
from keras_musictag.models.tagger import MusicTagger
from keras_musictag.training.teaching import with_labels

FEWEST = 4


@dataclass(frozen=True, eq=False)
class TaughtValues:
    """What `teach_values` made, and how well it does.

    Args:
        tagger: A `MusicTagger` of problem type `"regression"`, trained on all tracks.
        report: What was predicted for tracks that the training did not have, each
            once, and how far that is from the truth.
        baseline: For each label the mean absolute error of always saying the mean
            of the tracks of the training, float64 `(n_labels,)`.
    """

    tagger: MusicTagger
    report: RegressionReport = field(repr=False)
    baseline: np.ndarray

    def __str__(self) -> str:
        figures = self.report.per_label
        lines = [
            f"{name}: off by {figures['mae'][i]:.3g} on average on held-out tracks, "
            f"R2 {figures['r2'][i]:.2f} ({int(figures['targets'][i])} tracks; "
            f"always the mean: {self.baseline[i]:.3g})"
            for i, name in enumerate(self.tagger.labels)
        ]
        return "\n".join(lines)


def teach_values(
    tagger: MusicTagger,
    tracks: TrackList,
    *,
    cache=None,
    folds: int = 5,
    seed: int = 0,
) -> TaughtValues:
    """Teach a tagger to say numbers of one's own: energy, arousal, a taste.

    A ridge regression is trained on the embeddings of the tracks, in seconds. How good
    it is on music that it does not know is measured by cross-validation before.

    Args:
        tagger: A pretrained `MusicTagger`; it stays as it is.
        tracks: `TrackList` with a number for each track and label, NaN where it is
            not known: `kmt.data.from_csv("songs.csv", tags=["energy"])`.
        cache: Folder that keeps embeddings, so that the next time is faster.
        folds: Parts of the cross-validation.
        seed: Of its parts.

    Returns:
        A `TaughtValues`. Files that cannot be read are left out, and named in an
        `AudioWarning`.

    Raises:
        ConfigError: If `tagger` is no tagger, or `folds` cannot be.
        LabelError: If fewer than four tracks can be read, or a label has too few.

    Example:

    ```python
    import keras_musictag as kmt

    songs = kmt.data.from_csv("songs.csv", tags=["energy"])
    taught = kmt.teach_values(kmt.MusicTagger.from_pretrained(), songs)
    print(taught)  # energy: off by 0.11 on average on held-out tracks, ...
    taught.tagger.save_pretrained("energy")
    taught.tagger.predict("song.mp3")  # (1, 1)
    ```
    """
    if not isinstance(tagger, MusicTagger):
        raise ConfigError(
            "`teach_values` needs a tagger.",
            received=type(tagger).__name__,
            advice="Load one: kmt.MusicTagger.from_pretrained().",
        )
    folds = check_positive_int(folds, name="folds")
    if tracks.labels is None:
        raise LabelError(
            "The tracks have no numbers.",
            received=f"{tracks!r} without labels",
            advice='Read them: kmt.data.from_csv("songs.csv", tags=["energy"]).',
        )
    rows = embed_tracks(tagger, tracks, cache=cache)
    heard = {i: row for i, row in enumerate(rows) if row is not None}
    kept = list(heard)
    if len(kept) < FEWEST or folds < 2:
        raise LabelError(
            f"Numbers are taught by at least {FEWEST} tracks, in two parts or more.",
            received=f"{len(kept)} tracks that can be read, folds={folds}",
            advice="Add tracks; tens of them are better.",
        )
    features = np.stack(list(heard.values())).astype("float64")
    targets = np.asarray(tracks.targets, "float64")[kept]
    model = with_labels(tagger, tracks.labels, problem_type="regression")
    predicted, mean = np.empty_like(targets), np.empty_like(targets)
    for rest, part in _parts(len(kept), folds, seed):
        train_probe(model, y=targets[rest], embeddings=features[rest], seed=seed)
        kernel, bias = model.head.get_layer("logits").get_weights()
        predicted[part] = features[part] @ np.asarray(kernel, "float64") + bias
        mean[part] = np.nanmean(targets[rest], axis=0)
    train_probe(model, y=targets, embeddings=features, seed=seed)
    names = [tracks[i].id for i in kept]
    report = regression_scores(targets, predicted, model.labels, tracks=names)
    return TaughtValues(model, report, np.nanmean(np.abs(mean - targets), axis=0))


def _parts(count: int, folds: int, seed: int) -> Iterator[tuple]:
    from sklearn.model_selection import KFold

    fold = KFold(min(folds, count), shuffle=True, random_state=seed)
    yield from fold.split(np.zeros(count))
