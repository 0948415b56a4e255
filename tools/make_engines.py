"""Make the engines in the package anew, after a change of networks or of their layers.

    python tools/make_engines.py

Needs TensorFlow and the extra `export`. `tests/engines/test_bundled.py` compares them
with the Keras models.
"""

from keras_musictag.engines.files import BUNDLED, bundled_engine
from keras_musictag.layers.frequency_max import small_kernels
from keras_musictag.models.base import PretrainedModel
from keras_musictag.models.engine_making import make_engine


def main() -> None:
    """Make them all."""
    for preset in BUNDLED:
        path = bundled_engine(preset)
        path.parent.mkdir(exist_ok=True)
        model = PretrainedModel.from_pretrained(preset)
        with small_kernels():  # the cache gets the faster ones
            make_engine(model, path, preset=preset)
        files = path.rglob("*") if path.is_dir() else [path]
        print(path.name, sum(file.stat().st_size for file in files), "bytes")


if __name__ == "__main__":
    main()
