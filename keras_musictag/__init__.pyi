from . import (
    audio,
    augmentation,
    beats,
    chords,
    compat,
    conversion,
    data,
    demo,
    export,
    keys,
    layers,
    library,
    metrics,
    models,
    pages,
    plotting,
    tagfiles,
)
from .beats import Beatgram, BeatSequence
from .chords import ChordSequence
from .chords.chordogram import Chordogram
from .errors import (
    AudioError,
    AudioWarning,
    ConfigError,
    LabelError,
    LibraryError,
    MissingExtraError,
    MusicTagError,
    PresetError,
)
from .export.key_recognizers import ExportedKeyRecognizer, OnnxKeyRecognizer
from .export.recognizers import (
    ExportedChordRecognizer,
    LiteRTChordRecognizer,
    OnnxChordRecognizer,
)
from .export.taggers import ExportedTagger, LiteRTTagger, OnnxTagger, OpenVINOTagger
from .export.texts import OnnxTextEncoder
from .export.trackers import ExportedBeatTracker, OnnxBeatTracker
from .insight.saliency import Saliency, saliency
from .insight.similarity import EmbeddingIndex
from .keys import Keygram, KeySequence
from .labels import Labels
from .models.fitting.backup import ResumableBackup
from .models.key_recognizer import KeyRecognizer
from .models.key_recognizers.from_chords import ChordKeyRecognizer
from .models.key_recognizers.keynet import KeyNetRecognizer
from .models.key_recognizers.skey import SKeyRecognizer
from .models.recognizer import ChordRecognizer
from .models.recognizers.chord_structure import ChordStructureRecognizer
from .models.recognizers.crema import CremaChordRecognizer
from .models.recognizers.crnn_chords import CRNNChordRecognizer
from .models.recognizers.tcn_chords import TCNChordRecognizer
from .models.tagger import MusicTagger
from .models.taggers.ast import ASTTagger
from .models.taggers.auto_pool import AutoPoolTagger
from .models.taggers.clap import CLAPTagger
from .models.taggers.crnn import CRNNTagger
from .models.taggers.fcn import FCNTagger
from .models.taggers.harmonic_cnn import HarmonicCNNTagger
from .models.taggers.mert import MERTEncoder
from .models.taggers.musicnn import MusicnnTagger
from .models.taggers.sample_cnn import SampleCNNTagger
from .models.taggers.self_attention import SelfAttentionTagger
from .models.taggers.short_chunk import ShortChunkCNNTagger
from .models.taggers.vgg import VGGTagger
from .models.tracker import BeatTracker
from .models.trackers.beat_this import BeatThisTracker
from .models.trackers.beatnet import BeatNetTracker
from .presets import list_presets, preset_info
from .tracks.taggram import Taggram
from .training.run import judge_tagger, train_seeds, train_tagger
from .training.teaching import teach
from .training.values import teach_values

__all__ = [
    "ASTTagger",
    "AudioError",
    "AudioWarning",
    "AutoPoolTagger",
    "BeatNetTracker",
    "BeatSequence",
    "BeatThisTracker",
    "BeatTracker",
    "Beatgram",
    "CLAPTagger",
    "CRNNChordRecognizer",
    "CRNNTagger",
    "ChordKeyRecognizer",
    "ChordRecognizer",
    "ChordSequence",
    "ChordStructureRecognizer",
    "Chordogram",
    "ConfigError",
    "CremaChordRecognizer",
    "EmbeddingIndex",
    "ExportedBeatTracker",
    "ExportedChordRecognizer",
    "ExportedKeyRecognizer",
    "ExportedTagger",
    "FCNTagger",
    "HarmonicCNNTagger",
    "KeyNetRecognizer",
    "KeyRecognizer",
    "KeySequence",
    "Keygram",
    "LabelError",
    "Labels",
    "LibraryError",
    "LiteRTChordRecognizer",
    "LiteRTTagger",
    "MERTEncoder",
    "MissingExtraError",
    "MusicTagError",
    "MusicTagger",
    "MusicnnTagger",
    "OnnxBeatTracker",
    "OnnxChordRecognizer",
    "OnnxKeyRecognizer",
    "OnnxTagger",
    "OnnxTextEncoder",
    "OpenVINOTagger",
    "PresetError",
    "ResumableBackup",
    "SKeyRecognizer",
    "Saliency",
    "SampleCNNTagger",
    "SelfAttentionTagger",
    "ShortChunkCNNTagger",
    "TCNChordRecognizer",
    "Taggram",
    "VGGTagger",
    "audio",
    "augmentation",
    "beats",
    "chords",
    "compat",
    "conversion",
    "data",
    "demo",
    "export",
    "judge_tagger",
    "keys",
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
    "teach_values",
    "train_seeds",
    "train_tagger",
]
__version__: str
