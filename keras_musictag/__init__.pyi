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
from .errors import (
    AudioError,
    AudioWarning,
    ConfigError,
    LabelError,
    MissingExtraError,
    MusicTagError,
    PresetError,
)
from .export.taggers import ExportedTagger, LiteRTTagger, OnnxTagger
from .labels import Labels
from .models.auto_pool import AutoPoolTagger
from .models.backup import ResumableBackup
from .models.chord_recognizer import ChordRecognizer
from .models.crema import CremaChordRecognizer
from .models.crnn import CRNNTagger
from .models.crnn_chords import CRNNChordRecognizer
from .models.fcn import FCNTagger
from .models.harmonic_cnn import HarmonicCNNTagger
from .models.musicnn import MusicnnTagger
from .models.saliency import Saliency, saliency
from .models.sample_cnn import SampleCNNTagger
from .models.self_attention import SelfAttentionTagger
from .models.short_chunk import ShortChunkCNNTagger
from .models.similarity import EmbeddingIndex
from .models.tagger import MusicTagger
from .models.teaching import teach
from .models.training_run import judge_tagger, train_seeds, train_tagger
from .models.vgg import VGGTagger
from .presets import list_presets, preset_info
from .tracks.taggram import Taggram

__all__ = [
    "AudioError",
    "AudioWarning",
    "AutoPoolTagger",
    "CRNNChordRecognizer",
    "CRNNTagger",
    "ChordRecognizer",
    "ChordSequence",
    "ConfigError",
    "CremaChordRecognizer",
    "EmbeddingIndex",
    "ExportedTagger",
    "FCNTagger",
    "HarmonicCNNTagger",
    "LabelError",
    "Labels",
    "LiteRTTagger",
    "MissingExtraError",
    "MusicTagError",
    "MusicTagger",
    "MusicnnTagger",
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
