"""What every pretrained model shares: registry, loading, saving, safe compiling."""

import contextlib
import importlib
import inspect
import json
import pkgutil
import re
import tempfile
from pathlib import Path
from typing import Any, Self

import keras

import keras_musictag
from keras_musictag.errors import ConfigError, MusicTagError, PresetError
from keras_musictag.hub.upload import upload_folder
from keras_musictag.models.compiling import DefaultCompiling
from keras_musictag.models.loading import readers
from keras_musictag.presets import card, origin, records, saved, weights

# The rooms of the architectures, which nothing else imports.
ARCHITECTURES = tuple(
    f"keras_musictag.models.{room}"
    for room in ("taggers", "recognizers", "trackers", "key_recognizers")
)

_classes: dict[str, type["PretrainedModel"]] = {}


def registry() -> dict[str, type["PretrainedModel"]]:
    """Return every model class of the package by name, importing all of them."""
    for room in ARCHITECTURES:
        package = importlib.import_module(room)
        for module in pkgutil.iter_modules(package.__path__, f"{room}."):
            importlib.import_module(module.name)
    return dict(_classes)


@contextlib.contextmanager
def dtype_scope(dtype):
    """Build layers under a dtype policy; `None` keeps the global one."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(before if dtype is None else dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class UnknownOptionError(ConfigError, TypeError):
    """An argument that a model does not take; a `TypeError`, as Python's own."""


class PretrainedModel(DefaultCompiling):
    """A functional Keras model that presets, folders and files can bring back.

    A subclass is found by its name in `registry()`. What its constructor takes is what
    `get_config` returns, in plain JSON values: what all models of a task share, and the
    architecture's own `settings`.

    Attributes:
        task: `"tags"`, `"chords"`, `"beats"` or `"key"`.
        default_preset: What `from_pretrained()` loads.
        settings: The architecture's own arguments, by name.
    """

    task: str
    # What all models of a task take, and their architectures pass on.
    shared_options: tuple[str, ...]
    settings: dict
    policy: Any
    default_preset: str | None = None
    fresh_head_layers: tuple[str, ...] = ()

    def __init_subclass__(cls, abstract: bool = False, **kwargs):
        super().__init_subclass__(**kwargs)
        if abstract or cls.__name__.startswith("_"):
            return
        known = _classes.get(cls.__name__)
        if known and known.__module__ != cls.__module__:
            raise TypeError(
                f"A model class named {cls.__name__} exists already, in "
                f"{known.__module__}. Give the one in {cls.__module__} another name."
            )
        _classes[cls.__name__] = cls
        keras.saving.register_keras_serializable(package="keras_musictag")(cls)

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Self:
        """Make the model that `get_config` describes, with fresh weights."""
        return cls(**config)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        shared = {**self._shared_config(), "dtype": self.policy, "name": self.name}
        return {**shared, **self.settings}

    def _shared_config(self) -> dict:
        """Return the arguments that all models of the task take, by name."""
        return {}

    @classmethod
    def _default_name(cls) -> str:
        """Return the class name in snake case."""
        borders = r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
        return re.sub(borders, "_", cls.__name__).strip("_").lower()

    @classmethod
    def _refuse_options(cls, unknown: dict) -> None:
        """Say what the constructor takes if it was given anything else."""
        if not unknown:
            return
        names: list[str] = []
        for base in cls.__mro__:
            defined = vars(base)
            if "shared_options" in defined:
                names += defined["shared_options"]
                break
            if "__init__" in defined:
                signature = inspect.signature(defined["__init__"])
                arguments = list(signature.parameters.values())
                names += [a.name for a in arguments[1:] if a.kind is not a.VAR_KEYWORD]
        given = ", ".join(f"`{name}`" for name in unknown)
        raise UnknownOptionError(
            f"{cls.__name__} has no option {given}.",
            received=", ".join(f"{name}={value!r}" for name, value in unknown.items()),
            advice=f"It takes {', '.join(dict.fromkeys(names))}.",
        )

    # === Loading ===

    @classmethod
    def from_pretrained(
        cls,
        source=None,
        labels=None,
        problem_type=None,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir=None,
        local_files_only: bool = False,
        force_download: bool = False,
    ) -> Self:
        """Load a published or saved model with its weights.

        Presets whose weights are not in the package are downloaded at first use,
        checked, converted and kept in the cache. Nothing that comes from elsewhere
        is ever executed, and a licence that forbids commercial use is told.

        Args:
            source: The name of a preset (see `list_presets()`), a folder made by
                `save_pretrained`, a repository of the Hugging Face Hub with such a
                folder (`"org/name"` or `"hf://org/name"`), or a `.keras` file. Folders
                and repositories may be those of the transformers library, if their
                layout is known. `None` takes the default preset of the class.
            labels: New label names for a fresh, untrained head on the pretrained
                body; a model that reads (`CLAPTagger`) makes its head from them. `None`
                keeps the head.
            problem_type: `"multi_label_classification"`,
                `"single_label_classification"` or `"regression"`; `None` keeps
                what the model was saved with.
            revision: Branch, tag or commit of a Hub repository.
            token: Access token for a private Hub repository; `None` takes the one
                that the Hub's client has stored.
            cache_dir: Where fetched weights are kept; `None` takes the environment
                variable `KMT_CACHE`, and without it `~/.cache/keras_musictag`; for
                Hub repositories the cache of the Hub's client.
            local_files_only: If `True`, nothing is ever downloaded.
            force_download: If `True`, a Hub repository is fetched anew.

        Returns:
            The model, of the class that the preset names: `cls` or one below it.

        Raises:
            PresetError: If there is no such preset or folder, its class is
                another one, or its weights are damaged or cannot be fetched.
            LabelError: If `labels` are not usable.

        Example:

        ```python
        import keras_musictag as kmt

        model = kmt.MusicTagger.from_pretrained("musicnn_mtt")
        mine = kmt.MusicnnTagger.from_pretrained(labels=["calm", "wild"])
        ```
        """
        if source is None:
            source = cls.default_preset
        if source is None:
            raise PresetError(
                f"{cls.__name__} has no preset to take by default.",
                received="from_pretrained() without a source",
                advice="Name a repository of the Hub ('org/name') or a folder.",
            )

        def make(record):
            target = cls._resolve(record["class_name"], source)
            return target._build(record["config"], None, None, source)

        if str(source).endswith(".keras"):
            registry()  # Keras finds a class only once its module is imported
            whole = readers.read_keras_file(source, cls, make)
            if labels is None and problem_type is None:
                return whole
            found = readers.model_source(whole)
        else:
            found = readers.read_source(
                source,
                make,
                revision=revision,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                force_download=force_download,
            )
        target = cls._resolve(found.record["class_name"], source)
        config = found.record["config"]
        model = target._build(config, labels, problem_type, source)
        replaced = {"id2label", "label2id"} if labels is not None else set()
        replaced |= {"problem_type"} if problem_type is not None else set()
        said = {k: v for k, v in model._describe().items() if k not in replaced}
        origin.check_agreement(found.record, said, source)
        found.fill(model, target.fresh_head_layers if labels is not None else ())
        model._complete(found.folder, labels is not None)
        return model

    @classmethod
    def _resolve(cls, name: str, source) -> type[Self]:
        """Find a class by name in the registry, and nowhere else."""
        target = registry().get(name)
        if target is None:
            raise PresetError(
                f"{source} needs a model class that this package does not have.",
                received=f"class {name!r}",
                advice="Upgrade keras-musictag, or import the module that defines it.",
            )
        if not issubclass(target, cls):
            raise PresetError(
                f"{source} is a {name}, which is no {cls.__name__}.",
                received=f"{cls.__name__}.from_pretrained({str(source)!r})",
                advice=f"Use {name}.from_pretrained or "
                "MusicTagger.from_pretrained, which finds the class itself.",
            )
        return target

    @classmethod
    def _build(cls, config: dict, labels, problem_type, source) -> Self:
        config = dict(config)
        if labels is not None:
            config["labels"] = labels
        if problem_type is not None:
            config["problem_type"] = problem_type
        try:
            return cls.from_config(config)
        except (
            TypeError,
            ValueError,
            LookupError,
            AttributeError,
            ArithmeticError,
            MemoryError,
        ) as error:
            given = labels is not None or problem_type is not None
            described = isinstance(error, UnknownOptionError)
            if isinstance(error, MusicTagError) and given and not described:
                raise  # about what the caller gave, not about the description
            raise PresetError(
                f"The configuration of {source} does not fit {cls.__name__}.",
                received=f"{type(error).__name__}: {error}",
                advice="Upgrade keras-musictag to the version that saved it.",
            ) from error

    def _complete(self, folder: Path | None, fresh_head: bool) -> None:
        """Take what else lies beside the weights, once these are there.

        Args:
            folder: Where they come from; `None` if it was no folder.
            fresh_head: Whether the head has no weights yet.
        """

    # === Saving ===

    def save_pretrained(self, folder, *, repo_id: str | None = None) -> Path:
        """Save the model as a folder that `from_pretrained` reads.

        The folder holds `config.json`, `model.safetensors` (keys are variable
        paths, without the optimizer) and `README.md`, the model card. An earlier
        model in it is replaced in one moment: whoever reads, and a process that is
        killed, leaves the old one or the new one. Other files stay, as does a card
        whose text was edited.

        Args:
            folder: Where to write; made if missing.
            repo_id: The repository that the card's example loads; `None` for the
                folder. Nothing is uploaded: see `push_to_hub`.

        Returns:
            The folder as a `Path`.

        Raises:
            PresetError: If the folder cannot be written, or weights are NaN or
                infinite; the folder is as it was.

        Example:

        ```python
        import keras_musictag as kmt

        model = kmt.MusicnnTagger.from_pretrained(labels=["calm", "wild"])
        model.save_pretrained("my_tagger")
        again = kmt.MusicTagger.from_pretrained("my_tagger")
        ```
        """
        folder = Path(folder)
        blob = weights.serialize(self.weights)
        record = {
            "library_name": "keras-musictag",
            "keras_musictag_version": keras_musictag.__version__,
            "format_version": records.FORMAT_VERSION,
            "class_name": type(self).__name__,
            **self._describe(),
            "config": json.loads(json.dumps(self.get_config())),
            "weights": {"file": records.WEIGHTS_FILE, **weights.fingerprint(blob)},
            "origin": getattr(self, "origin", None),
        }
        page = card.model_card(record, repo_id or f"path/to/{folder.name}")
        try:
            return saved.write_folder(folder, blob, record, page)
        except OSError as error:
            raise PresetError(
                f"The model cannot be saved to {folder}; what was there is as it was.",
                received=error,
                advice="Pass a folder that can be written, on a disk with room.",
            ) from error

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        commit_message: str | None = None,
        token: str | bool | None = None,
    ) -> str:
        """Save the model to a repository of the Hugging Face Hub.

        The repository is made if it does not exist; in one that does, the three
        files of `save_pretrained` are replaced in a new commit and others stay.

        Args:
            repo_id: `"org/name"`, or `"name"` in your own namespace.
            private: Whether a new repository is private; `None` takes the default
                of its owner.
            commit_message: What the commit says; a plain text if `None`.
            token: An access token that may write; `None` takes the one that the
                Hub's client has stored (`hf auth login`).

        Returns:
            The address of the commit. Its last part is the commit's id, which
            `from_pretrained` takes as `revision`.

        Raises:
            PresetError: If the name cannot be one, the token may not write there,
                or the Hub cannot be reached or does not take the files.

        Example:

        ```python
        import keras_musictag as kmt

        model = kmt.MusicnnTagger.from_pretrained(labels=["calm", "wild"])
        model.push_to_hub("someone/my-tagger", private=True)
        again = kmt.MusicTagger.from_pretrained("someone/my-tagger")
        ```
        """
        with tempfile.TemporaryDirectory() as folder:
            return upload_folder(
                self.save_pretrained(folder, repo_id=repo_id),
                repo_id,
                private=private,
                commit_message=commit_message,
                token=token,
            )

    def _describe(self) -> dict:
        """Extra entries of `config.json`, those of the Hub in its words."""
        return {"task": self.task}
