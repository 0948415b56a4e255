"""The constants of the original package."""

from keras_musictag.presets import preset_info

SR = 16000
FFT_HOP = 256
FFT_SIZE = 512
N_MELS = 96
BATCH_SIZE = 1

# Name of our preset for each model of the original.
PRESETS = {
    "MTT_musicnn": "musicnn_mtt",
    "MTT_vgg": "vgg_mtt",
    "MSD_musicnn": "musicnn_msd",
    "MSD_vgg": "vgg_msd",
}

MTT_LABELS: list[str] = preset_info("musicnn_mtt")["config"]["labels"]["names"]
MSD_LABELS: list[str] = preset_info("musicnn_msd")["config"]["labels"]["names"]
