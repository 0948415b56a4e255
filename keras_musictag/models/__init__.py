"""What all models share, and one file per architecture in `taggers`, `recognizers`.

Importing this package registers all of them.

Write `import keras_musictag.models` before `keras.saving.load_model` on a
`.keras` file; `MusicTagger.from_pretrained` does it by itself.
"""

from keras_musictag.models.base import registry

__all__ = ["registry"]

registry()
