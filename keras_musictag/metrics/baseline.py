"""A baseline to show beside every result: averages of timbre and a linear model."""

from dataclasses import replace

import numpy as np

from keras_musictag import audio
from keras_musictag.audio.arrays import check_sample_rate, is_array
from keras_musictag.checks import check_positive, check_positive_int
from keras_musictag.errors import ConfigError, import_librosa
from keras_musictag.metrics.arrays import as_floats, check_targets
from keras_musictag.metrics.report import TaggingReport


def mfcc_baseline(
    train,
    targets,
    test,
    *,
    sample_rate: int = 16000,
    n_mfcc: int = 20,
    c: float = 0.1,
) -> np.ndarray:
    """Score tracks by what every tagger should beat.

    The mean and the standard deviation over time of each track's MFCCs (librosa's
    defaults), standardised, and for each label a logistic regression of scikit-learn.

    Args:
        train: Tracks to learn from: paths or arrays `(samples,)`, or what
            `mfcc_statistics` gave for them, which saves time when it is used again.
        targets: 0, 1 or NaN for unknown, shape `(tracks, n_labels)`.
        test: Tracks to score, in the same form.
        sample_rate: Rate in Hz that files are brought to, and that of the arrays.
        n_mfcc: Coefficients.
        c: Inverse of the strength of the regularisation.

    Returns:
        float64 array `(test tracks, n_labels)` of probabilities, for
        `tagging_scores(..., baseline=)`. A label that has no positives in training,
        or no negatives, is scored with that share for all.

    Raises:
        AudioError: If a track is not usable audio.
        ConfigError: If shapes do not fit.
        LabelError: If targets are neither 0 nor 1 nor NaN.
        MissingExtraError: If librosa is not installed.

    References:
        - Tzanetakis and Cook, "Musical genre classification of audio signals", IEEE
          Transactions on Speech and Audio Processing, 2002.

    Example:

    ```python
    import numpy as np
    import keras_musictag as kmt

    noise = np.random.default_rng(0).normal(size=(4, 16000)).astype("float32")
    tracks = [*noise, *np.cumsum(noise, axis=1) / 100]
    targets = np.arange(8)[:, None] < 4
    scores = kmt.metrics.mfcc_baseline(tracks, targets, tracks)
    ```
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    options = {"sample_rate": sample_rate, "n_mfcc": n_mfcc}
    train_features = _statistics(train, **options)
    test_features = _statistics(test, **options)
    targets = as_floats(targets, name="targets")
    columns = targets.shape[1] if targets.ndim == 2 else 1
    targets = check_targets(targets, (len(train_features), columns))
    scaler = StandardScaler().fit(train_features)
    train_features, test_features = (
        scaler.transform(train_features),
        scaler.transform(test_features),
    )
    scores = np.zeros((len(test_features), columns))
    for column, values in enumerate(targets.T):
        rows = ~np.isnan(values)
        truth = values[rows]
        if truth.size and truth.min() < truth.max():
            model = LogisticRegression(C=check_positive(c, name="c"), max_iter=1000)
            model.fit(train_features[rows], truth)
            scores[:, column] = model.predict_proba(test_features)[:, 1]
        else:
            scores[:, column] = truth.mean() if truth.size else 0.5
    return scores


def mfcc_statistics(
    tracks, *, sample_rate: int = 16000, n_mfcc: int = 20
) -> np.ndarray:
    """Describe each track by the mean and the deviation of its MFCCs.

    Args:
        tracks: Paths, or arrays `(samples,)` at `sample_rate`.
        sample_rate: Rate in Hz that files are brought to, and that of the arrays.
        n_mfcc: Coefficients.

    Returns:
        float64 array `(tracks, 2 * n_mfcc)`: means, then standard deviations.

    Raises:
        AudioError: If a track is not usable audio.
        MissingExtraError: If librosa is not installed.

    Example:

    ```python
    import keras_musictag as kmt

    kmt.metrics.mfcc_statistics([kmt.audio.demo_path()]).shape  # (1, 40)
    ```
    """
    librosa = import_librosa("The MFCC baseline")
    rate = check_sample_rate(sample_rate)
    check_positive_int(n_mfcc, name="n_mfcc")
    rows = []
    for track in tracks:
        if is_array(track):
            waveform = audio.to_mono(track)
        else:
            waveform, _ = audio.load(track, rate)
        mfcc = librosa.feature.mfcc(y=waveform, sr=rate, n_mfcc=n_mfcc)
        rows.append(np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1)]))
    if not rows:
        raise ConfigError(
            "There are no tracks to describe.",
            received="an empty list",
            advice="Check the split of the data.",
        )
    return np.asarray(rows, "float64")


def check_baseline(baseline, judge, report: TaggingReport) -> TaggingReport:
    """Put a baseline beside a report.

    Args:
        baseline: Scores `(tracks, n_labels)` of the same tracks and labels, or a
            `TaggingReport` of them; `None` for none.
        judge: Function from scores to a `TaggingReport`.
        report: What the baseline is for.

    Returns:
        The report, with the baseline in it.

    Raises:
        ConfigError: If tracks or labels differ.
    """
    if baseline is None:
        return report
    if not isinstance(baseline, TaggingReport):
        if np.shape(baseline) != report.scores.shape:
            raise ConfigError(
                "`baseline` must score the same tracks and labels.",
                received=f"shape {np.shape(baseline)} for {report.scores.shape}",
                advice="Give it a row for each track, and the columns in the order of "
                "`labels`.",
            )
        baseline = judge(baseline)
    same = baseline.problem_type == report.problem_type
    same = same and baseline.tracks == report.tracks
    same = same and baseline.labels.names == report.labels.names
    if not same or not np.array_equal(baseline.targets, report.targets, equal_nan=True):
        raise ConfigError(
            "`baseline` is a report of other tracks, labels or targets.",
            received=f"{len(baseline.tracks)} tracks and {len(baseline.labels)} labels "
            f"for {len(report.tracks)} and {len(report.labels)}",
            advice="Judge both on the same data, or pass the baseline's scores.",
        )
    return replace(report, baseline=baseline)


def _statistics(tracks, *, sample_rate, n_mfcc):
    described = np.ndim(tracks) == 2 if isinstance(tracks, np.ndarray) else False
    if described and tracks.shape[1] == 2 * n_mfcc:
        return as_floats(tracks, name="statistics")
    return mfcc_statistics(tracks, sample_rate=sample_rate, n_mfcc=n_mfcc)
