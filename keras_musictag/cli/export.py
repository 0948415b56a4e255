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

Target = enum.StrEnum("Target", ["tf_saved_model", "onnx", "litert"])
Engine = enum.StrEnum("Engine", ["keras", "onnx", "litert"])

EXPORT_HELP = """[bold]Examples[/bold]\n
[cyan]keras-musictag export musicnn_msd musicnn.onnx[/cyan]  one ONNX file\n
[cyan]keras-musictag export musicnn_msd out --format litert --float16[/cyan]  a folder
with model.tflite and metadata.json\n
[cyan]keras-musictag tag song.mp3 --preset musicnn.onnx[/cyan]  tags with it\n
[cyan]keras-musictag export laion/larger_clap_music lib/text.onnx --text[/cyan]  what
library search --text reads with\n
[cyan]keras-musictag export crema crema.onnx[/cyan]  then: chords --preset crema.onnx"""


def export(
    preset: Annotated[
        str, Argument(help="Pretrained model, or the folder of a saved one.")
    ],
    out: Annotated[
        Path,
        Argument(
            metavar="OUT", help="A folder, or a file that ends in .onnx or .tflite."
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
) -> None:
    """Write a model as SavedModel, ONNX or LiteRT, for programs without Keras.

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
    with leaving_at_once():  # some formats bring TensorFlow
        check_target(out, "onnx" if text else format and format.value, float16)
    with silenced():
        start_keras()
        from keras_musictag.models.base import PretrainedModel

        model = PretrainedModel.from_pretrained(preset)
        options = {"float16": float16, "tolerance": tolerance}
        if seconds is not None:
            if model.task != "chords":
                raise errors.ConfigError(
                    "The length of what this network takes is its own.",
                    received=f"--seconds {seconds:g} with {preset}",
                    advice="Leave --seconds out; it is for chords in LiteRT.",
                )
            options["seconds"] = seconds
        path = _write(model, out, format, options, text, embeddings)
        parity = read_metadata(path)["parity"]
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    size = sum(file.stat().st_size for file in files) / 1e6
    typer.echo(
        f"{path}: {size:.1f} MB, scores differ by at most "
        f"{parity['largest_difference']:.1e}"
    )


def _write(model, out, format, options, text: bool, embeddings: bool) -> Path:
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


def open_exported(preset: str, engine: Engine | None = None, task: str = "tags"):
    """Return an exported model, or `None` if Keras is to compute.

    Args:
        preset: Of the command line.
        engine: The same; `None` if not given.
        task: What it shall name: `"tags"`, `"chords"`, `"beats"` or `"key"`.

    Raises:
        ConfigError: If the engine and the preset do not belong together.
        PresetError: If the exported model names something else.
    """
    if engine == Engine.keras:
        return None
    from keras_musictag import export as exported
    from keras_musictag.export import metadata

    if not metadata.is_exported(preset):
        if engine is None:
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
        "tags": {"onnx": exported.OnnxTagger, "litert": exported.LiteRTTagger},
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
    return classes[task][engine or format](preset)
