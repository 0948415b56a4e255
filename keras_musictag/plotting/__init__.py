"""Pictures of plain arrays; needs the extra `plot`."""

from keras_musictag.plotting.chords import plot_chords
from keras_musictag.plotting.evaluation import (
    plot_confusion,
    plot_curves,
    plot_history,
)
from keras_musictag.plotting.insight import (
    lay_out,
    plot_embedding_map,
    plot_robustness,
    plot_saliency,
)
from keras_musictag.plotting.keys import plot_keys
from keras_musictag.plotting.spectra import plot_filters, plot_spectrogram
from keras_musictag.plotting.tags import plot_tag_bars, plot_taggram

__all__ = [
    "lay_out",
    "plot_chords",
    "plot_confusion",
    "plot_curves",
    "plot_embedding_map",
    "plot_filters",
    "plot_history",
    "plot_keys",
    "plot_robustness",
    "plot_saliency",
    "plot_spectrogram",
    "plot_tag_bars",
    "plot_taggram",
]
