from . import (
    audio,
    augmentation,
    chords,
    compat,
    conversion,
    data,
    demo,
    export,
    layers,
    library,
    metrics,
    models,
    pages,
    plotting,
    tagfiles,
)
from .chords import ChordSequence
from .chords.chordogram import Chordogram
from .errors import (
    AudioError,
    AudioWarning,
    ConfigError,
    LabelError,
    MissingExtraError,
    MusicTagError,
    PresetError,
)
from .export.recognizers import (
    ExportedChordRecognizer,
    LiteRTChordRecognizer,
    OnnxChordRecognizer,
)
from .export.taggers import ExportedTagger, LiteRTTagger, OnnxTagger
from .insight.saliency import Saliency, saliency
from .insight.similarity import EmbeddingIndex
from .labels import Labels
from .models.fitting.backup import ResumableBackup
from .models.recognizer import ChordRecognizer
from .models.recognizers.crema import CremaChordRecognizer
from .models.recognizers.crnn_chords import CRNNChordRecognizer
from .models.tagger import MusicTagger
from .models.taggers.auto_pool import AutoPoolTagger
from .models.taggers.crnn import CRNNTagger
from .models.taggers.fcn import FCNTagger
from .models.taggers.harmonic_cnn import HarmonicCNNTagger
from .models.taggers.musicnn import MusicnnTagger
from .models.taggers.sample_cnn import SampleCNNTagger
from .models.taggers.self_attention import SelfAttentionTagger
from .models.taggers.short_chunk import ShortChunkCNNTagger
from .models.taggers.vgg import VGGTagger
from .presets import list_presets, preset_info
from .tracks.taggram import Taggram
from .training.run import judge_tagger, train_seeds, train_tagger
from .training.teaching import teach

__all__ = [
    "AudioError",
    "AudioWarning",
    "AutoPoolTagger",
    "CRNNChordRecognizer",
    "CRNNTagger",
    "ChordRecognizer",
    "ChordSequence",
    "Chordogram",
    "ConfigError",
    "CremaChordRecognizer",
    "EmbeddingIndex",
    "ExportedChordRecognizer",
    "ExportedTagger",
    "FCNTagger",
    "HarmonicCNNTagger",
    "LabelError",
    "Labels",
    "LiteRTChordRecognizer",
    "LiteRTTagger",
    "MissingExtraError",
    "MusicTagError",
    "MusicTagger",
    "MusicnnTagger",
    "OnnxChordRecognizer",
    "OnnxTagger",
    "PresetError",
    "ResumableBackup",
    "Saliency",
    "SampleCNNTagger",
    "SelfAttentionTagger",
    "ShortChunkCNNTagger",
    "Taggram",
    "VGGTagger",
    "audio",
    "augmentation",
    "chords",
    "compat",
    "conversion",
    "data",
    "demo",
    "export",
    "judge_tagger",
    "layers",
    "library",
    "list_presets",
    "metrics",
    "models",
    "pages",
    "plotting",
    "preset_info",
    "saliency",
    "tagfiles",
    "teach",
    "train_seeds",
    "train_tagger",
]
__version__: str
