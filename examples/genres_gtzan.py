"""Genre classification on GTZAN: train a head on `musicnn_msd`, judge it, draw it.

    python examples/genres_gtzan.py --data GTZAN --out genres

GTZAN is the folder with files such as `blues/blues.00000.wav`. The fault-filtered split
is used: no artist is in two parts, repeated and damaged clips are left out. The folder
`genres` then holds the tagger, `report.md` and `confusion.png`.

No result stands here: the script was tried on tones in the layout of GTZAN, since the
data set itself was not at hand. Peeters' tutorial "Deep Learning 101 for Audio-based
MIR" reports a macro recall of 0.57 (log-mel, SincNet), 0.54 (Conv1D) and 0.47 (TCN) for
networks trained from scratch, per patch instead of per track, and on a split that does
not keep artists apart: not the same task.
"""

import argparse
from collections import Counter
from pathlib import Path

import keras_musictag as kmt


def thinned(tracks, most: int):
    """Keep so many tracks of each genre and part."""
    seen: Counter = Counter()
    keep = []
    for track in tracks:
        seen[track.split, track.tags] += 1
        keep.append(seen[track.split, track.tags] <= most)
    return tracks.take([i for i, kept in enumerate(keep) if kept])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of GTZAN")
    parser.add_argument("--out", type=Path, required=True, help="folder for all of it")
    parser.add_argument("--epochs", type=int, default=50, help="at most")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--resume", action="store_true", help="go on after a kill")
    parser.add_argument(
        "--quick", action="store_true", help="two tracks per genre and part, one epoch"
    )
    args = parser.parse_args()
    tracks = kmt.data.gtzan(args.data).check_files(on_missing="skip")
    if args.quick:
        tracks = thinned(tracks, 2)
    run = kmt.train_tagger(
        tracks,
        args.out,
        preset="musicnn_msd",
        problem_type="single_label_classification",
        freeze="backbone",
        epochs=1 if args.quick else args.epochs,
        seed=args.seed,
        cache=kmt.data.AudioCache(),
        resume=args.resume,
        on_epoch=lambda row: print({k: round(v, 3) for k, v in row.items()}),
    )
    report = kmt.judge_tagger(
        run.model,
        tracks.split("test"),
        train=tracks.split("train"),  # for a baseline on MFCC statistics, beside
        bootstrap=100 if args.quick else 2000,
    )
    (args.out / "report.md").write_text(report.to_markdown(), "utf-8")
    picture = report.plot_confusion().figure
    picture.savefig(args.out / "confusion.png", dpi=100, bbox_inches="tight")
    print(report.to_text())


if __name__ == "__main__":
    main()
