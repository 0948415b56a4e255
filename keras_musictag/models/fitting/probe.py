"""A linear probe: scikit-learn trains the last layer of a tagger on embeddings."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from keras_musictag.checks import check_positive_int
from keras_musictag.data.cache import AudioCache
from keras_musictag.data.collection import TrackList
from keras_musictag.data.track import Track, listed
from keras_musictag.errors import AudioError, ConfigError, LabelError
from keras_musictag.presets.weights import weights_digest
from keras_musictag.tracks import sources
from keras_musictag.tracks.inference import TRACK_ERRORS

# Inverse strengths of the regularisation: `C` of the logistic regression, 1 / `alpha`
# of the ridge regression.
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
FEW = 1e-2  # where there are too few tracks to choose
# What does not change embeddings.
_HEAD_ONLY = ("labels", "problem_type", "name")


@dataclass(frozen=True)
class Probe:
    """What a linear probe was trained with, and how well it did.

    Args:
        n_tracks: How many tracks it was trained on.
        strengths: What each label was regularised with: `C` of the logistic
            regression, or 1 / `alpha` of the ridge regression, of scikit-learn.
        losses: Cross-validated loss by choice of `strengths`, from the strongest
            regularisation on until it rose, the mean over the labels; empty where
            there was nothing to choose.
        estimators: The pipeline of scikit-learn by label; under `None` the only one
            of a single-label model.
    """

    n_tracks: int
    strengths: dict[str, float]
    losses: dict[float, float] = field(repr=False)
    estimators: dict[str | None, Any] = field(repr=False)


def train_probe(
    tagger,
    x=None,
    y=None,
    *,
    embeddings=None,
    sample_rate: int | None = None,
    cache: str | os.PathLike | None = None,
    strengths: Sequence[float] = STRENGTHS,
    folds: int = 5,
    seed: int = 0,
    batch_size: int | None = None,
) -> Probe:
    """Train the last layer of a tagger; see `MusicTagger.probe`."""
    folds = check_positive_int(folds, name="folds")
    if isinstance(x, TrackList):
        x = x.with_labels(tagger.labels)
        single = tagger.problem_type == "single_label_classification"
        y = x.classes if single else x.targets
    if embeddings is None:
        tracks = x if isinstance(x, TrackList) else sources.batch(x)
        y = _rows(y, len(tracks))  # before what takes longest
        embedded = embed_tracks(tagger, tracks, sample_rate, cache, batch_size)
        rows = [row for row in embedded if row is not None]
        if not rows:
            raise AudioError(
                "None of the tracks can be read.",
                received=f"{len(embedded)} tracks",
                advice="Check the paths and files, which are named above.",
            )
        y = y[[row is not None for row in embedded]]
        features = np.stack(rows).astype("float64")
    else:
        features = _checked(embeddings, tagger)
        y = _rows(y, len(features))
    fit = _FITS[tagger.problem_type]
    grid = tuple(float(s) for s in strengths)
    kernel, bias, probe = fit(features, y, tagger.labels.names, grid, folds, seed)
    logits = tagger.head.get_layer("logits")
    logits.kernel.assign(kernel.astype("float32"))
    logits.bias.assign(bias.astype("float32"))
    return probe


# === Embeddings ===


def embed_tracks(
    tagger,
    tracks: Sequence,
    sample_rate: int | None = None,
    cache: str | os.PathLike | None = None,
    batch_size: int | None = None,
) -> list[np.ndarray | None]:
    """Compute the mean embedding of each track, or take it from a cache.

    Args:
        tagger: A `MusicTagger`.
        tracks: `Track`s, paths, open files or arrays.
        sample_rate: Of arrays, in Hz; `None` means the model's own.
        cache: A folder. An entry belongs to a file and to the weights of this tagger
            before its head.
        batch_size: Chunks per forward pass.

    Returns:
        float32 arrays `(units,)`, `None` for each track that cannot be read, which an
        `AudioWarning` names.
    """

    def embed(track, rate=None):
        if isinstance(track, Track):
            inside = track.member is not None
            track = track.load(tagger.sample_rate)[0] if inside else track.path
        return tagger.embed(track, sample_rate, batch_size=batch_size)

    named = list(tracks)
    if cache is None and not any(isinstance(t, Track) and t.member for t in named):
        named = [t.path if isinstance(t, Track) else t for t in named]
        return tagger.embed(named, sample_rate, batch_size=batch_size)
    held: AudioCache | None = None
    if cache is not None:
        held = AudioCache(os.path.join(cache, embedding_cache_name(tagger)))

    def outcomes():
        for track in named:
            try:
                if held is not None and isinstance(track, (str, Path, Track)):
                    yield held.load(track, tagger.sample_rate, decode=embed)
                else:
                    yield embed(track)
            except TRACK_ERRORS as error:
                yield error

    names = [str(t.path) if isinstance(t, Track) else t for t in named]
    return sources.collect(outcomes(), names, single=False)


def embedding_cache_name(tagger) -> str:
    """Name what embeddings depend on: settings and weights before the head."""
    config = {k: v for k, v in tagger.get_config().items() if k not in _HEAD_ONLY}
    about = [type(tagger).__name__, config, repr(tagger.chunking)]
    variables = [*tagger.frontend.weights, *tagger.backbone.weights]
    text = json.dumps(about, sort_keys=True)
    return weights_digest(text, variables, by_path=False)[:24]


# === Checks ===


def _rows(y, n_tracks: int) -> np.ndarray:
    y = np.asarray(y, dtype=None if y is not None else "float32")
    if y.ndim == 0 or len(y) != n_tracks:
        raise LabelError(
            "There must be a row of targets for each track.",
            received=f"{'no' if y.ndim == 0 else len(y)} rows for {n_tracks} tracks",
            advice="Give y of shape (tracks, n_labels), or a TrackList with labels.",
        )
    return y


def _checked(embeddings, tagger) -> np.ndarray:
    features = np.asarray(embeddings, "float64")
    units = tagger.head.get_layer("logits").kernel.shape[0]
    if features.ndim != 2 or features.shape[1] != units:
        raise ConfigError(
            f"The embeddings must have the shape (tracks, {units}).",
            received=f"shape {features.shape}",
            advice="Take them from `tagger.embed(tracks)`, one row for each track.",
        )
    if not np.isfinite(features).all():
        bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
        raise ConfigError(
            "The embeddings must be finite numbers.",
            received=f"NaN or infinity in the rows {listed(bad)}",
            advice="Leave out the tracks that could not be read.",
        )
    return features


def _columns(y, names) -> np.ndarray:
    y = np.asarray(y, "float64")
    if y.shape[1:] != (len(names),):
        raise LabelError(
            f"The targets must have {len(names)} columns, one for each label.",
            received=f"shape {y.shape}",
            advice="Give them in the order of model.labels.",
        )
    return y


# === Training ===


def _fit_tags(features, y, names, grid, folds, seed):
    """Train a logistic regression for each label."""
    y = _columns(y, names)
    known = ~np.isnan(y)
    if not np.isin(y[known], (0, 1)).all():
        raise LabelError(
            "Targets must be 1, 0, or NaN where it is unknown.",
            received=f"values such as {listed(np.unique(y[known])[:5])}",
            advice="Use a model with problem_type='regression' for other numbers.",
        )
    _refuse_one_sided(y, names)
    pairs = [(features[k], c[k]) for k, c in zip(known.T, y.T, strict=True)]
    chosen, losses = _choose(pairs, grid, folds, seed)
    trained = {n: _logistic(chosen).fit(*p) for n, p in zip(names, pairs, strict=True)}
    folded = [_folded(estimator) for estimator in trained.values()]
    kernel = np.concatenate([k for k, _ in folded], axis=1)
    bias = np.concatenate([b for _, b in folded])
    strengths = dict.fromkeys(names, chosen)
    return kernel, bias, Probe(len(y), strengths, losses, dict(trained))


def _fit_classes(features, y, names, grid, folds, seed):
    """Train one logistic regression over all classes."""
    y = np.asarray(y)
    whole = y.ndim == 1 and np.isin(y, np.arange(len(names))).all()
    if not whole:
        raise LabelError(
            "The targets of a single-label model are the indices of the labels.",
            received=f"shape {y.shape}, values such as {listed(np.unique(y)[:3])}",
            advice=f"Give whole numbers from 0 to {len(names) - 1}, one per track.",
        )
    counts = np.bincount(y.astype(int), minlength=len(names))
    absent = [name for name, count in zip(names, counts, strict=True) if not count]
    if absent:
        raise LabelError(
            "Each label needs at least one track.",
            received=f"none for {listed(map(repr, absent))}",
            advice="Add tracks of these labels, or leave the labels out.",
        )
    chosen, losses = _choose([(features, y)], grid, folds, seed)
    estimator = _logistic(chosen).fit(features, y)
    kernel, bias = _folded(estimator)
    if len(names) == 2:  # scikit-learn has one column then
        kernel = np.concatenate([-kernel / 2, kernel / 2], axis=1)
        bias = np.concatenate([-bias / 2, bias / 2])
    strengths = dict.fromkeys(names, chosen)
    return kernel, bias, Probe(len(y), strengths, losses, {None: estimator})


def _fit_numbers(features, y, names, grid, folds, seed):
    """Train a ridge regression for each label, its strength by leaving one out."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    y = _columns(y, names)
    alphas = [1 / strength for strength in grid]
    trained = {}
    for name, column in zip(names, y.T, strict=True):
        known = ~np.isnan(column)
        if known.sum() < 2:
            raise LabelError(
                "Each label needs at least two tracks with a number.",
                received=f"{known.sum()} for {name!r}",
                advice="Add tracks, or leave the label out.",
            )
        estimator = make_pipeline(StandardScaler(), RidgeCV(alphas))
        trained[name] = estimator.fit(features[known], column[known])
    folded = [_folded(estimator) for estimator in trained.values()]
    kernel = np.concatenate([k for k, _ in folded], axis=1)
    bias = np.concatenate([b for _, b in folded])
    strengths = {name: 1 / float(e[-1].alpha_) for name, e in trained.items()}
    return kernel, bias, Probe(len(y), strengths, {}, dict(trained))


_FITS = {
    "multi_label_classification": _fit_tags,
    "single_label_classification": _fit_classes,
    "regression": _fit_numbers,
}


def _refuse_one_sided(y, names) -> None:
    for value, what in ((1, "positive"), (0, "negative")):
        missing = [n for n, c in zip(names, y.T, strict=True) if not (c == value).any()]
        if missing:
            raise LabelError(
                f"Each label needs at least one {what} track.",
                received=f"none for {listed(map(repr, missing))}",
                advice="Add such tracks, or leave these labels out.",
            )


def _logistic(strength: float):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(C=strength, max_iter=2000)
    return make_pipeline(StandardScaler(), regression)


def _choose(pairs, grid, folds: int, seed: int):
    """Choose one strength for all labels by the cross-validated loss.

    Labels have few positives each; together they say more about the features.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    parts = []
    for features, y in pairs:
        rarest = np.unique(y, return_counts=True)[1].min()
        if min(folds, rarest) > 1:
            fold = StratifiedKFold(min(folds, rarest), shuffle=True, random_state=seed)
            parts.append((features, y, list(fold.split(features, y))))
    if len(grid) == 1 or not parts:
        return min(grid, key=lambda s: abs(np.log(s / FEW))), {}
    losses: dict[float, float] = {}
    for strength in sorted(grid):
        each = [
            -cross_val_score(_logistic(strength), x, y, cv=cv, scoring="neg_log_loss")
            for x, y, cv in parts
        ]
        losses[strength] = float(np.mean([values.mean() for values in each]))
        # The loss falls to its minimum and rises from there on; weak regularisation
        # takes longest.
        if losses[strength] > min(losses.values()):
            break
    return min(losses, key=losses.__getitem__), losses


def _folded(estimator) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel and bias that do standardisation and regression in one step."""
    scaler, linear = estimator[0], estimator[-1]
    weights = np.atleast_2d(linear.coef_) / scaler.scale_
    bias = np.atleast_1d(linear.intercept_) - weights @ scaler.mean_
    return weights.T, bias
