"""Which files of a data set cannot be used, and what is said about them."""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from keras_musictag.data.track import Track, listed
from keras_musictag.errors import AudioError, AudioWarning

ON_MISSING = ("skip", "raise", "warn")


def find_problems(
    tracks: Sequence[Track], name: str, on_missing: str, *, whole: bool, workers: int
) -> dict[int, str]:
    """Open every file, and warn of those that cannot be used.

    Args:
        tracks: The tracks.
        name: What the data set is called, for messages.
        on_missing, whole, workers: As in `TrackList.check_files`.

    Returns:
        What is wrong, by the place of the track.

    Raises:
        AudioError: If a file is bad and `on_missing` is `"raise"`, or all are.
    """
    with ThreadPoolExecutor(workers) as pool:
        answers = pool.map(lambda t: t.problem(whole=whole), tracks)
        problems = {i: p for i, p in enumerate(answers) if p is not None}
    if not problems:
        return problems
    count = f"{len(problems)} of {len(tracks)} tracks of the {name} cannot be used."
    reasons = listed(
        (f"{tracks[i].id}: {p.rstrip('.')}" for i, p in problems.items()), 3
    )
    if on_missing == "raise" or len(problems) == len(tracks):
        raise AudioError(
            count,
            received=reasons,
            advice='Mend or remove them, or pass on_missing="skip".',
        )
    then = "They are left out" if on_missing == "skip" else "They are still listed"
    warnings.warn(
        f"{count} Received: {reasons}. {then}; `problems` names all of them.",
        AudioWarning,
        stacklevel=3,
    )
    return problems
