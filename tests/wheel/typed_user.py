"""What users write: read by `mypy --strict`, never run."""

from pathlib import Path

import numpy as np

import keras_musictag as kmt
from keras_musictag import chords, data, metrics, plotting


class LoudTagger(kmt.MusicnnTagger):
    """A class of the user's own."""

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "loud": True}


def tag_all(folder: Path) -> dict[str, list[tuple[str, float]]]:
    model = kmt.MusicTagger.from_pretrained("musicnn_msd")
    files = kmt.audio.find_files(folder)
    return {str(file): model.tag(file, top_k=5) for file in files}


def use_tagger(folder: Path) -> Path:
    model = kmt.MusicnnTagger.from_pretrained(labels=["calm", "wild"])
    x, rate = np.zeros(16000, "float32"), 16000
    scores = model.predict(x, sample_rate=rate)
    print(scores.shape, model.labels, model.sample_rate)
    taggram = model.taggram(kmt.audio.demo_path())
    print(taggram.times, taggram.to_csv(), taggram.to_dataframe())
    model.embed(x, layer="penultimate")
    for time, row in model.stream([x]):
        print(time, row)
    tracks = data.from_csv("songs.csv")
    train, test = tracks.split("train"), tracks.split("test")
    model.compile(optimizer="adam")
    model.fit(train, epochs=1, freeze="backbone")
    model.probe(train)
    report = metrics.tagging_scores(
        test.targets, model.predict(test.paths), model.labels
    )
    print(report.to_markdown())
    url: str = model.push_to_hub("someone/tagger", private=True, token="hf_...")
    print(url)
    return model.save_pretrained(folder)


def use_chords() -> list[str]:
    model = kmt.ChordRecognizer.from_pretrained()
    sequence = model.recognize("song.mp3", vocabulary="majmin")
    sequence.to_lab("song.lab")
    sequence.plot()
    print(chords.get_vocabulary("majmin").labels)
    return list(sequence.labels)


def use_rest() -> None:
    samples, rate = kmt.audio.load("song.mp3", sample_rate=16000)
    print(samples.shape, rate, kmt.list_presets("vgg*"))
    print(kmt.preset_info("crema")["license"])
    print(kmt.layers.STFT(n_fft=512), kmt.layers.LogMelSpectrogram(sample_rate=16000))
    print(kmt.layers.STFT(n_fft=512).get_config(), plotting.plot_taggram([0.0], [], []))
    print(
        kmt.augmentation.RandomGain(), kmt.EmbeddingIndex, kmt.teach, kmt.train_tagger
    )
    try:
        kmt.preset_info("musicnn_mtatt")
    except kmt.PresetError as error:
        print(error.problem, error.advice)
