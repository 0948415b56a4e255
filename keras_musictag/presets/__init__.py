"""Published models as data: one JSON file per preset, bundled weights beside it."""

from keras_musictag.presets.records import list_presets, preset_info

__all__ = ["list_presets", "preset_info"]
