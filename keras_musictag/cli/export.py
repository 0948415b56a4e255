"""The command `keras-musictag export`, and exported models in other commands."""

import enum
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from keras_musictag import errors
from keras_musictag.cli.arguments import is_elsewhere
from keras_musictag.cli.printing import silenced
from keras_musictag.cli.starting import leaving_at_once, start_keras
from keras_musictag.presets import records

Target = enum.StrEnum("Target", ["tf_saved_model", "onnx", "litert", "openvino"])
Engine = enum.StrEnum("Engine", ["auto", "keras", "onnx", "litert", "openvino"])
Precision = enum.StrEnum("Precision", ["float32", "bfloat16", "int8"])

EngineOption = Annotated[
    Engine,
    Option(
        help="Who computes. auto: ONNX Runtime where the package or an earlier run has "
        "an engine of the preset, else Keras. The others need an export."
    ),
]

EXPORT_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag export musicnn_msd musicnn.onnx[/cyan]  one ONNX file\n
[cyan]keras-musictag export musicnn_msd out --format litert --float16[/cyan]  a folder
with model.tflite and metadata.json\n
[cyan]keras-musictag tag song.mp3 --preset musicnn.onnx[/cyan]  tags with it\n
[cyan]keras-musictag export laion/larger_clap_music lib/text.onnx --text[/cyan]  what
library search --text reads with\n
[cyan]keras-musictag export musicnn_mtt fast.xml --precision int8 --calibration
music/[/cyan]  less precision, OpenVINO\n
[cyan]keras-musictag export crema crema.onnx[/cyan]  then: chords --preset crema.onnx"""


def export(
    preset: Annotated[
        str, Argument(help="Pretrained model, or the folder of a saved one.")
    ],
    out: Annotated[
        Path,
        Argument(
            metavar="OUT",
            help="A folder, or a file: .onnx, .tflite or .xml.",
        ),
    ],
    format: Annotated[
        Target | None, Option(help="As the suffix of OUT says, else tf_saved_model.")
    ] = None,
    float16: Annotated[
        bool, Option("--float16", help="Store weights in half precision.")
    ] = False,
    tolerance: Annotated[
        float | None,
        Option(
            min=0.0,
            help="Largest difference of a score in the format's own runtime; 0.001 "
            "if not given, 0.01 with --float16.",
        ),
    ] = None,
    text: Annotated[
        bool, Option("--text", help="The text tower of a tagger that reads: CLAP.")
    ] = False,
    embeddings: Annotated[
        bool, Option("--embeddings", help="Taggers: embeddings beside the scores.")
    ] = False,
    seconds: Annotated[
        float | None,
        Option(help="Chords in LiteRT: length of the pieces; 10 if not given."),
    ] = None,
    precision: Annotated[
        Precision, Option(help="What OpenVINO computes taggers in.")
    ] = Precision.float32,
    calibration: Annotated[
        list[str] | None,
        Option(
            metavar="MUSIC",
            help="With --precision int8: a file or folder of music like that which "
            "will be tagged; may be given several times. The demo clip without.",
        ),
    ] = None,
) -> None:
    """Write a model as SavedModel, ONNX, LiteRT or OpenVINO, for use without Keras.

    Its outputs are compared in the format's own runtime; a network that differs is
    not kept.
    """
    from keras_musictag.export import read_metadata
    from keras_musictag.export.formats import check_target

    if not is_elsewhere(preset):
        records.read_record(preset)  # refuses what there is not
    if text and format not in (None, Target.onnx):
        raise errors.ConfigError(
            "Text towers are exported to ONNX alone.",
            received=f"--text --format {format}",
            advice="Use --format onnx.",
        )
    with silenced(), leaving_at_once():  # some formats bring TensorFlow
        wanted = "onnx" if text else format and format.value
        check_target(out, wanted, float16, precision.value)
    with silenced():
        start_keras()
        from keras_musictag.models.base import PretrainedModel

        model = PretrainedModel.from_pretrained(preset)
        options: dict = {"float16": float16, "tolerance": tolerance}
        if seconds is not None:
            if model.task != "chords":
                raise errors.ConfigError(
                    "The length of what this network takes is its own.",
                    received=f"--seconds {seconds:g} with {preset}",
                    advice="Leave --seconds out; it is for chords in LiteRT.",
                )
            options["seconds"] = seconds
        if precision != Precision.float32 or calibration:
            options |= {"precision": precision.value, "calibration": calibration}
        path = _write(model, out, format, options, text, embeddings)
        about = read_metadata(path)
    beside = [path.with_suffix(".bin")] if about["format"] == "openvino" else []
    files = [path, *beside] if path.is_file() else path.rglob("*")
    files = [file for file in files if file.is_file()]
    size = sum(file.stat().st_size for file in files) / 1e6
    typer.echo(
        f"{path}: {size:.1f} MB, scores differ by at most "
        f"{about['parity']['largest_difference']:.1e}"
    )
    if integers := about.get("integers"):
        typer.echo(
            f"{len(integers['layers'])} layers in integers, calibrated with "
            f"{about['calibrated_with']}: "
            f"{integers['labels_kept']:.1%} of other tracks keep their first label, "
            f"scores differ by {integers['mean_difference']:.4f} in the mean"
        )


def _write(model, out, format, options, text: bool, embeddings: bool) -> Path:
    if "precision" in options and (text or model.task != "tags"):
        raise errors.ConfigError(
            "Only taggers are computed with less precision.",
            received=f"--precision {options['precision']}, a {type(model).__name__}",
            advice="Leave --precision and --calibration out.",
        )
    if text and hasattr(model, "export_text"):
        return model.export_text(out, **options)
    if text or (embeddings and model.task != "tags"):
        raise errors.ConfigError(
            f"A {type(model).__name__} has no such part.",
            received="--text" if text else "--embeddings",
            advice="Leave it out; --text is for CLAP, --embeddings for taggers.",
        )
    if embeddings:
        options["embeddings"] = True
    return model.export(out, format and format.value, **options)


def open_exported(
    preset: str,
    engine: Engine = Engine.auto,
    task: str = "tags",
    precision: str | None = None,
):
    """Return an exported model, or `None` if Keras is to compute.

    Args:
        preset: Of the command line.
        engine: The same.
        task: What it shall name: `"tags"`, `"chords"`, `"beats"` or `"key"`.
        precision: Of taggers in OpenVINO; `None` for the network's.

    Raises:
        ConfigError: If the engine and the preset do not belong together.
        PresetError: If the exported model names something else.
    """
    from keras_musictag import export as exported
    from keras_musictag.export import metadata

    known = metadata.is_exported(preset)
    if precision and not (known and metadata.locate(preset)[0] == "openvino"):
        raise errors.ConfigError(
            "Only OpenVINO computes in a precision that is asked for.",
            received=f"--precision {precision} --preset {preset}",
            advice=f"Export it, and name that: keras-musictag export {preset} fast.xml "
            f"--precision {precision}",
        )
    if engine == Engine.keras:
        return None
    if not known:
        if engine == Engine.auto:
            return None
        wanted = "tagger" if task == "tags" else "chord recogniser"
        raise errors.ConfigError(
            f"--engine {engine} needs an exported {wanted}.",
            received=f"--preset {preset}",
            advice=f"Make one, and name it with --preset: "
            f"keras-musictag export {preset} {Path(preset).name}-{engine} "
            f"--format {engine}",
        )
    classes: dict[str, dict[str, type]] = {
        "tags": {
            "onnx": exported.OnnxTagger,
            "litert": exported.LiteRTTagger,
            "openvino": exported.OpenVINOTagger,
        },
        "chords": {
            "onnx": exported.OnnxChordRecognizer,
            "litert": exported.LiteRTChordRecognizer,
        },
        "beats": {"onnx": exported.OnnxBeatTracker},
        "key": {"onnx": exported.OnnxKeyRecognizer},
    }
    format, _ = metadata.locate(preset)
    if format not in classes[task]:
        raise errors.ConfigError(
            "This command has no use for a network of this format.",
            received=f"--preset {preset}, format {format!r}",
            advice=f"Export to {' or '.join(classes[task])}, or name the preset.",
        )
    options = {} if precision is None else {"precision": precision}
    return classes[task][format if engine == Engine.auto else engine](preset, **options)
