"""Train the four front-ends of `AutoPoolTagger` from scratch and compare them.

    python examples/train_frontends.py --data FOLDER --dataset rendered
    python examples/train_frontends.py --data GTZAN --dataset gtzan
    python examples/train_frontends.py --data MTT --dataset mtt --csv annotations.csv

FOLDER of `rendered` holds `tags.csv` (path, tags separated by `|`, split). A GTZAN
folder holds one folder of audio per genre. For `mtt`, or any collection like it, the
CSV (comma or tab) has a column of paths (`path` or `mp3_path`), and one column of 0
and 1 per label, or a column `tags`.

Prints a Markdown table and exits with 1 if a front-end does not beat chance (ROC-AUC
0.5) by the margin.
"""

import argparse
import csv
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
# Steps of training: a step of the waveform networks costs more, a patch holds less.
STEPS = {"mel": 300, "conv1d": 600, "tcn": 120, "sinc": 120}
BATCH = {"mel": 32, "conv1d": 64, "tcn": 32, "sinc": 32}
# Tutorial: macro recall on GTZAN, ROC-AUC and mAP on the MTT subset; per patch.
REPORTED = {
    "gtzan": {"mel": "0.56", "conv1d": "0.54", "tcn": "0.46", "sinc": "0.56"},
    "mtt": {"mel": "AUC 0.81, mAP 0.29"},
}


def read_items(args) -> tuple[list, list[str]]:
    """Return `(path, labels, is_test)` of every track, and all labels in order."""
    if args.dataset == "gtzan":
        paths = sorted(p for p in args.data.glob("*/*") if p.suffix in (".wav", ".au"))
        # Every fifth track of a genre is for testing, as in the tutorial.
        items = [(p, [p.parent.name], i % 5 == 0) for i, p in enumerate(paths)]
    else:
        items = list(_rows(args.csv or args.data / "tags.csv", args.data))
    return items, sorted({label for _, labels, _ in items for label in labels})


def _rows(table: Path, folder: Path):
    text = table.read_text(encoding="utf-8")
    delimiter = "\t" if "\t" in text.splitlines()[0] else ","
    for i, row in enumerate(csv.DictReader(text.splitlines(), delimiter=delimiter)):
        path = row.get("path") or row["mp3_path"]
        if "tags" in row:
            labels = row["tags"].split("|")
        else:
            labels = [name for name, value in row.items() if value == "1"]
            labels = [name for name in labels if name != "clip_id"]
        test = row["split"] == "test" if "split" in row else i % 5 == 0
        if row.get("split") != "valid":
            yield folder / path, labels, test


def load(items, labels):
    """Decode all tracks at 22,050 Hz; targets are rows of 0 and 1."""
    waves, targets = [], np.zeros((len(items), len(labels)), "float32")
    for i, (path, names, _) in enumerate(items):
        waves.append(kmt.audio.load(path, RATE)[0])
        targets[i, [labels.index(name) for name in names]] = 1
    return waves, targets


def train(frontend, waves, targets, labels, single: bool, args):
    """Train one network on random patches of the tracks; returns the model."""
    keras.utils.set_random_seed(args.seed)
    kind = "single_label_classification" if single else "multi_label_classification"
    model = kmt.AutoPoolTagger(labels, frontend=frontend, problem_type=kind)
    steps = 10 if args.quick else round(STEPS[frontend] * args.effort)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps, alpha=0.01)
    model.compile(optimizer=keras.optimizers.Adam(rate), metrics=[])
    y = targets.argmax(1) if single else targets
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


def scores_of(model, waves, targets, prior, single: bool) -> dict:
    """Score whole tracks: mean over their patches."""
    scores = model.predict(waves, batch_size=64)
    present = targets.any(0) & ~targets.all(0)
    y, s = targets[:, present], scores[:, present]
    if single:
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the set")
    parser.add_argument(
        "--dataset", choices=("rendered", "gtzan", "mtt"), default="rendered"
    )
    parser.add_argument("--csv", type=Path, help="table of labels, if not tags.csv")
    parser.add_argument("--frontends", nargs="+", choices=FRONTENDS, default=FRONTENDS)
    parser.add_argument("--effort", type=float, default=1.0, help="factor of the steps")
    parser.add_argument("--margin", type=float, default=MARGIN, help="over AUC 0.5")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument(
        "--quick", action="store_true", help="ten steps each, nothing is checked"
    )
    args = parser.parse_args()
    items, labels = read_items(args)
    if args.quick:
        items = items[:: max(1, len(items) // 60)]
    waves, targets = load(items, labels)
    test = np.array([is_test for *_, is_test in items])
    single = args.dataset == "gtzan"
    rows, good = [], True
    fit_waves = [w for w, t in zip(waves, test, strict=True) if not t]
    test_waves = [w for w, t in zip(waves, test, strict=True) if t]
    prior = targets[~test].mean(0)
    for frontend in args.frontends:
        start = time.perf_counter()
        model = train(frontend, fit_waves, targets[~test], labels, single, args)
        seconds = time.perf_counter() - start
        found = scores_of(model, test_waves, targets[test], prior, single)
        good &= found["auc"] >= 0.5 + args.margin
        rows.append((frontend, model.count_params(), found, seconds))
        print(f"{frontend}: {found}, {seconds:.0f} s", file=sys.stderr, flush=True)
    print_table(rows, args.dataset, targets[test].mean(), len(fit_waves), test.sum())
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
