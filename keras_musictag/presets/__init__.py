"""Published models as data: one JSON file per preset, bundled weights beside it."""

from keras_musictag.presets.records import (
    CARD_FILE,
    CONFIG_FILE,
    FORMAT_VERSION,
    WEIGHTS_FILE,
    folder_weights,
    list_presets,
    preset_info,
    preset_weights,
    read_folder,
    write_folder,
)
from keras_musictag.presets.weights import (
    copy_weights,
    load_weights,
    save_weights,
    weights_digest,
)

__all__ = [
    "CARD_FILE",
    "CONFIG_FILE",
    "FORMAT_VERSION",
    "WEIGHTS_FILE",
    "copy_weights",
    "folder_weights",
    "list_presets",
    "load_weights",
    "preset_info",
    "preset_weights",
    "read_folder",
    "save_weights",
    "weights_digest",
    "write_folder",
]
