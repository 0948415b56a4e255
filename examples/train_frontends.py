"""Train the four front-ends of `AutoPoolTagger` from scratch and compare them.

    python examples/train_frontends.py --data FOLDER
    python examples/train_frontends.py --data GTZAN --dataset gtzan
    python examples/train_frontends.py --data MTT --dataset magnatagatune

FOLDER holds `tags.csv` (path, tags separated by `|`, split) and its audio, see
`kmt.data.from_csv`; the other two are read by `kmt.data.gtzan` (fault-filtered split)
and `kmt.data.magnatagatune` (split of Won et al.).

Prints a Markdown table and exits with 1 if a front-end does not beat chance (ROC-AUC
0.5) by the margin. `--pictures FOLDER` draws the filters that were learned.
"""

import argparse
import platform
import sys
import time
from pathlib import Path

import keras
import numpy as np
from sklearn.metrics import average_precision_score, recall_score, roc_auc_score

import keras_musictag as kmt

RATE = 22050
FRONTENDS = ("mel", "conv1d", "tcn", "sinc")
MARGIN = 0.05
# Steps of training: those of the networks that keep the rate of the waveform, TCN and
# SincNet, cost more.
STEPS = {"mel": 300, "conv1d": 600, "tcn": 300, "sinc": 300}
BATCH = {"mel": 32, "conv1d": 64, "tcn": 32, "sinc": 32}
READERS = {
    "table": lambda folder: kmt.data.from_csv(folder / "tags.csv"),
    "gtzan": kmt.data.gtzan,
    "magnatagatune": kmt.data.magnatagatune,
}
# Tutorial, per patch, on its own split: macro recall; ROC-AUC and mAP.
REPORTED = {
    "gtzan": {"mel": "0.56", "conv1d": "0.54", "tcn": "0.46", "sinc": "0.56"},
    "magnatagatune": {"mel": "AUC 0.81, mAP 0.29"},
}


def load(tracks) -> list:
    """Decode all tracks at 22,050 Hz."""
    return [track.load(RATE)[0] for track in tracks]


def train(frontend, waves, tracks, args):
    """Train one network on random patches of the tracks; returns the model."""
    keras.utils.set_random_seed(args.seed)
    single = tracks.is_single_label
    kind = "single_label_classification" if single else "multi_label_classification"
    model = kmt.AutoPoolTagger(tracks.labels, frontend=frontend, problem_type=kind)
    steps = 10 if args.quick else round(STEPS[frontend] * args.effort)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps, alpha=0.01)
    model.compile(optimizer=keras.optimizers.Adam(rate), metrics=[])
    y = tracks.classes if single else tracks.targets
    size = BATCH[frontend]
    # One long epoch: each track comes again and again, each time another patch.
    order = np.random.default_rng(args.seed).permuted(
        np.tile(np.arange(len(waves)), (-(-steps * size // len(waves)), 1)), axis=1
    )
    order = order.reshape(-1)[: steps * size]
    data = kmt.data.RandomCrops(
        [waves[i] for i in order],
        y[order],
        chunk_samples=model.chunking.chunk_samples,
        batch_size=size,
        seed=args.seed,
    )
    model.fit(data, verbose=0)
    return model


def scores_of(model, waves, targets, prior) -> dict:
    """Score whole tracks: mean over their patches."""
    scores = model.predict(waves, batch_size=64)
    present = targets.any(0) & ~targets.all(0)
    y, s = targets[:, present], scores[:, present]
    if model.problem_type == "single_label_classification":
        chosen = np.eye(targets.shape[1])[scores.argmax(1)][:, present]
    else:
        # As many of the test tracks as carry the tag in training, the best first.
        ranks = (-s).argsort(0).argsort(0)
        chosen = ranks < np.round(prior[present] * len(s))
    return {
        "recall": recall_score(y, chosen, average="macro", zero_division=0),
        "auc": roc_auc_score(y, s, average="macro"),
        "map": average_precision_score(y, s, average="macro"),
    }


def draw_filters(model, frontend: str, folder: Path) -> None:
    """Draw the filters of a front-end that is one layer on the waveform."""
    layer = model.backbone.get_layer("listen")
    if frontend == "sinc":
        kernels = keras.ops.convert_to_numpy(layer.filters())
    else:
        kernels = keras.ops.convert_to_numpy(layer.kernel)[:, 0].T
    left, _ = kmt.plotting.plot_filters(kernels, RATE)
    left.figure.savefig(folder / f"learned_{frontend}.png", dpi=80)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the set")
    parser.add_argument("--dataset", choices=READERS, default="table")
    parser.add_argument("--frontends", nargs="+", choices=FRONTENDS, default=FRONTENDS)
    parser.add_argument("--effort", type=float, default=1.0, help="factor of the steps")
    parser.add_argument("--margin", type=float, default=MARGIN, help="over AUC 0.5")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--quick", action="store_true", help="ten steps each, nothing is checked"
    )
    args = parser.parse_args()
    tracks = READERS[args.dataset](args.data).check_files(on_missing="skip")
    training, test = tracks.split("train"), tracks.split("test")
    if args.quick:
        training, test = training[:: len(training) // 40 + 1], test[::3]
    waves, test_waves = load(training), load(test)
    rows, good = [], True
    for frontend in args.frontends:
        start = time.perf_counter()
        model = train(frontend, waves, training, args)
        seconds = time.perf_counter() - start
        prior = training.targets.mean(0)
        found = scores_of(model, test_waves, test.targets, prior)
        good &= found["auc"] >= 0.5 + args.margin
        rows.append((frontend, model.count_params(), found, seconds))
        print(f"{frontend}: {found}, {seconds:.0f} s", file=sys.stderr, flush=True)
        if args.pictures and frontend in ("conv1d", "sinc"):
            draw_filters(model, frontend, args.pictures)
    print_table(rows, args.dataset, test.targets.mean(), len(training), len(test))
    if args.quick:
        return 0
    print(
        f"\n{'Every' if good else 'NOT every'} front-end beats chance "
        f"(ROC-AUC 0.5) by at least {args.margin}."
    )
    return 0 if good else 1


def print_table(rows, dataset: str, chance: float, n_train: int, n_test: int) -> None:
    reported = REPORTED.get(dataset)
    extra = " tutorial, per patch |" if reported else ""
    print(f"{n_train} tracks to train, {n_test} to test, scores per track.\n")
    print(f"| front-end | weights | macro recall | ROC-AUC | mAP | training |{extra}")
    print("|---|---|---|---|---|---|" + "---|" * bool(reported))
    for frontend, weights, found, seconds in rows:
        figures = " | ".join(f"{found[key]:.3f}" for key in ("recall", "auc", "map"))
        line = f"| {frontend} | {weights} | {figures} | {seconds:.0f} s |"
        print(line + (f" {reported.get(frontend, '-')} |" if reported else ""))
    line = f"| chance | | {chance:.3f} | 0.500 | {chance:.3f} | |"
    print(line + (" |" if reported else ""))
    versions = f"Keras {keras.__version__}, {keras.backend.backend()}"
    print(f"\n{platform.machine()}, Python {platform.python_version()}, {versions}.")


if __name__ == "__main__":
    sys.exit(main())
