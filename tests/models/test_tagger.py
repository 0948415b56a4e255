"""The methods that every tagger shares, shown with real weights and real audio."""

import json
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
import soundfile

import keras_musictag as kmt

RATE = 16000


@pytest.fixture(scope="module")
def model():
    return kmt.MusicnnTagger.from_pretrained("musicnn_mtt")


@pytest.fixture(scope="module")
def demo():
    return kmt.audio.load(kmt.audio.demo_path(), RATE)[0]


def test_default_presets():
    assert kmt.MusicTagger.from_pretrained().origin["preset"] == "musicnn_msd"
    assert type(kmt.VGGTagger.from_pretrained()) is kmt.VGGTagger


def test_the_demo_clip_is_jazz():
    model = kmt.MusicnnTagger.from_pretrained()
    tags = model.tag(kmt.audio.demo_path(), top_k=3)
    assert tags[0][0] == "jazz"
    assert [score for _, score in tags] == sorted((s for _, s in tags), reverse=True)
    assert model.tag(kmt.audio.demo_path(), top_k=1, groups="vocals")[0][0] == (
        "instrumental"
    )


def test_inputs_of_every_kind_agree(model, demo):
    path = kmt.audio.demo_path()
    expected = model.predict(demo)
    assert expected.shape == (1, 50)
    tensor = keras.ops.convert_to_tensor(demo)
    for same in (str(path), path, demo[None], [demo], [str(path)], tensor):
        np.testing.assert_allclose(model.predict(same), expected, atol=1e-6)
    with open(path, "rb") as file:
        np.testing.assert_allclose(model.predict(file), expected, atol=1e-6)
    stereo = np.stack([demo, demo])
    assert model.tag(stereo) == model.tag(demo)
    pcm = (demo * 32767).astype("int16")
    np.testing.assert_allclose(model.predict(pcm), expected, atol=2e-3)


def test_arrays_are_resampled_like_files(model, demo, tmp_path):
    high = kmt.audio.resample(demo, RATE, 44100)
    soundfile.write(tmp_path / "a.wav", high, 44100, subtype="FLOAT")
    from_file = model.predict(tmp_path / "a.wav")
    np.testing.assert_allclose(
        model.predict(high, sample_rate=44100), from_file, atol=1e-5
    )
    wrong = model.predict(high)  # taken for 16 kHz, as it was said to be
    assert np.abs(wrong - from_file).max() > 0.01


def test_predict_without_aggregation_gives_the_taggram(model, demo):
    chunks = model.predict(demo, aggregate=None)[0]
    taggram = model.taggram(demo)
    np.testing.assert_allclose(chunks, taggram.scores, atol=1e-6)
    np.testing.assert_allclose(taggram.times, np.arange(3) * 2.992)
    np.testing.assert_allclose(model.predict(demo)[0], chunks.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(
        model.predict(demo, aggregate="max")[0], chunks.max(axis=0), atol=1e-6
    )


def test_tail_and_chunking_are_a_choice(model, demo):
    assert len(model.taggram(demo).times) == 3
    overlap = model.taggram(demo, tail="overlap")
    assert len(overlap.times) == 4
    end = (overlap.times[-1] * RATE) + model.chunking.core
    assert round(end) == len(demo)
    assert len(model.taggram(demo, tail="pad").times) == 4
    spaced = model.taggram(demo, chunking=model.chunking.spaced(5))
    assert len(spaced.times) == 5


def test_a_bad_item_keeps_its_place(model, demo):
    items = [demo, "no_such_file.mp3", demo]
    with pytest.warns(kmt.AudioWarning, match="item 1.*no_such_file.mp3"):
        scores = model.predict(items)
    assert np.isnan(scores[1]).all()
    assert np.isfinite(scores[[0, 2]]).all()
    with pytest.warns(kmt.AudioWarning, match="does not exist"):
        tags = model.tag(items, top_k=2)
    assert tags[1] is None
    # Places in a batch differ in the last bit.
    assert [label for label, _ in tags[0]] == [label for label, _ in tags[2]]
    assert dict(tags[0]) == pytest.approx(dict(tags[2]), abs=1e-6)
    with pytest.raises(kmt.AudioError, match="does not exist"):
        model.tag(items, on_error="raise")
    with pytest.raises(kmt.AudioError, match="does not exist"):
        model.predict("no_such_file.mp3")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((44100, 2)), r"samples, channels.*x\.T"),
        (np.zeros((2, 3, 4)), "shape"),
        (np.zeros(0), "no samples"),
        (np.zeros((0, 16000)), "no tracks|no samples"),
        (np.array([0.0, np.nan]), "NaN"),
        (np.zeros(8, complex), "complex"),
        (np.array(["a"]), "type|numbers"),
        ([0.0, 0.1], "Item 0 of the list is not music"),
    ],
)
def test_arrays_that_are_not_audio(model, x, message):
    with pytest.raises(kmt.AudioError, match=message):
        model.predict(x)


@pytest.mark.parametrize("rate", [0, -1, 44100.5, "44100", True])
def test_wrong_rates(model, demo, rate):
    with pytest.raises(kmt.AudioError, match="sample rate"):
        model.tag(demo, sample_rate=rate)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"aggregate": "sum"}, "aggregate"),
        ({"tail": "cut"}, "tail"),
        ({"on_error": "ignore"}, "on_error"),
    ],
)
def test_wrong_options(model, demo, options, message):
    with pytest.raises(kmt.ConfigError, match=message):
        model.predict([demo, demo], **options)


def test_data_sets_pass_through(model):
    chunks = np.zeros((5, model.chunking.chunk_samples), "float32")
    data = kmt.data.RandomCrops(chunks, chunk_samples=48128, batch_size=2)
    assert model.predict(data).shape == (5, 50)


def test_sorting_by_lift_brings_up_rare_labels(demo):
    model = kmt.MusicnnTagger.from_pretrained()
    by_score = dict(model.tag(demo, top_k=None))
    by_lift = model.tag(demo, top_k=None, sort="lift")
    priors = dict(zip(model.labels, model.labels.priors, strict=True))
    lifts = [score / priors[label] for label, score in by_lift]
    assert lifts == sorted(lifts, reverse=True)
    assert dict(by_lift) == by_score


def test_embeddings(model, demo):
    assert model.embed(demo).shape == (200,)
    assert model.embed(demo, aggregate=None).shape == (3, 200)
    assert model.embed(demo, layer="timbral", aggregate=None).shape == (3, 187, 408)
    assert model.embed(demo, layer="timbral").shape == (408,)
    both = model.embed([demo, demo[:RATE]], layer=["cnn3", "scores"])
    assert [set(item) for item in both] == [{"cnn3", "scores"}] * 2
    np.testing.assert_allclose(both[0]["scores"], model.predict(demo)[0], atol=1e-6)
    with pytest.raises(kmt.ConfigError, match="cnn4.*Choose from.*cnn3"):
        model.embed(demo, layer="cnn4")


def test_streaming_equals_the_whole(model, demo):
    blocks = np.array_split(demo, 37)
    streamed = list(model.stream(blocks))
    taggram = model.taggram(demo)
    np.testing.assert_allclose([t for t, _ in streamed], taggram.times)
    scores = np.stack([s for _, s in streamed])
    np.testing.assert_allclose(scores, taggram.scores, atol=1e-5)


def test_a_stream_gives_a_chunk_as_soon_as_it_is_there(model, demo):
    fed = []

    def microphone():
        for block in np.array_split(demo, 40):
            fed.append(len(block))
            yield block

    next(model.stream(microphone()))
    assert sum(fed) <= model.chunking.chunk_samples + 2 * fed[0]


def test_a_stream_of_stereo_integers_at_another_rate(model):
    sound, rate = kmt.audio.load(kmt.audio.demo_path())
    left = np.round(sound * 32767).astype("int16")
    stereo = np.stack([left, left // 2])
    blocks = [*np.array_split(stereo, 23, axis=1), np.zeros((2, 0), "int16")]
    streamed = [scores for _, scores in model.stream(blocks, rate)]
    expected = model.predict(stereo.mean(axis=0) / 32768, rate, aggregate=None)[0]
    np.testing.assert_allclose(streamed, expected, atol=1e-4)
    with pytest.raises(kmt.AudioError, match="block holds NaN"):
        next(model.stream([np.full(RATE * 4, np.nan, "float32")]))


def test_a_stream_with_overlap_scores_more_often(model, demo):
    plan = model.chunking.replace(hop_samples=8192)
    streamed = list(model.stream(np.array_split(demo, 37), chunking=plan))
    np.testing.assert_allclose(np.diff([t for t, _ in streamed]), 8192 / RATE)
    expected = model.predict(demo, chunking=plan, aggregate=None)[0]
    np.testing.assert_allclose([s for _, s in streamed], expected, atol=1e-5)


def test_taggram_to_files(model, demo, tmp_path):
    pandas = pytest.importorskip("pandas")
    taggram = model.taggram(demo)
    taggram.to_csv(tmp_path / "t.csv")
    table = pandas.read_csv(tmp_path / "t.csv", index_col="time")
    assert list(table.columns) == list(model.labels)
    np.testing.assert_allclose(table.to_numpy(), taggram.scores, atol=1e-6)
    frame = taggram.to_dataframe()
    np.testing.assert_array_equal(frame.to_numpy(), taggram.scores)


def test_new_labels_put_a_fresh_head_on(model, tmp_path):
    mine = kmt.MusicTagger.from_pretrained("musicnn_mtt", labels=["calm", "wild"])
    assert mine.labels == ["calm", "wild"]
    old = {v.path: np.array(v.value) for v in model.weights}
    for variable in mine.weights:
        if not variable.path.startswith("logits/"):
            np.testing.assert_array_equal(np.array(variable.value), old[variable.path])
    assert mine.head.weights[0].shape == (200, 2)
    mine.save(tmp_path / "mine.keras")
    other = kmt.MusicTagger.from_pretrained(
        tmp_path / "mine.keras", labels=["a", "b", "c"]
    )
    assert other.head.weights[0].shape == (200, 3)
    np.testing.assert_array_equal(
        np.array(other.backbone.weights[0].value), old["input_norm/gamma"]
    )


@pytest.mark.parametrize(
    ("problem_type", "y", "metric"),
    [
        ("single_label_classification", np.array([0, 1, 1, 0]), "accuracy"),
        ("regression", np.random.default_rng(0).random((4, 2)), "mae"),
        ("multi_label_classification", np.eye(2)[[0, 1, 1, 0]], "roc_auc"),
    ],
)
def test_each_problem_type_trains(problem_type, y, metric):
    model = kmt.VGGTagger.from_pretrained(
        "vgg_mtt", labels=["a", "b"], problem_type=problem_type
    )
    x = np.random.default_rng(0).normal(0, 0.1, (4, 60000)).astype("float32")
    history = model.fit(x, y, batch_size=4, verbose=0).history
    assert set(history) == {"loss", metric} | (
        {"pr_auc"} if metric == "roc_auc" else set()
    )
    total = model.predict(x).sum(axis=1)
    if problem_type == "single_label_classification":
        np.testing.assert_allclose(total, 1.0, atol=1e-5)


def test_targets_that_do_not_fit(model):
    x = np.zeros((2, 48128), "float32")
    with pytest.raises(kmt.LabelError, match=r"\(2, 50\).*\(2, 3\).*model.labels"):
        model.fit(x, np.zeros((2, 3)))
    with pytest.raises(kmt.ConfigError, match="problem_type.*multi_label"):
        kmt.MusicnnTagger.from_pretrained(problem_type="multilabel")


def test_frozen_parts_stay_until_they_are_freed():
    keras.utils.set_random_seed(0)
    model = kmt.VGGTagger(["a", "b"], filters=4)
    x = np.random.default_rng(0).normal(0, 0.1, (4, 48128)).astype("float32")
    y = np.eye(2)[[0, 1, 1, 0]]

    def values():
        return [keras.ops.convert_to_numpy(v.value) for v in model.backbone.weights]

    before = values()
    model.backbone.trainable = False
    model.fit(x, y, verbose=0)
    for new, old in zip(values(), before, strict=True):
        np.testing.assert_array_equal(new, old)
    model.backbone.trainable = True  # compiled by default: fit notices
    model.fit(x, y, verbose=0)
    assert any(
        not np.array_equal(new, old) for new, old in zip(values(), before, strict=True)
    )


def test_compile_keeps_auto_and_the_users_choice(model, tmp_path):
    mine = kmt.MusicnnTagger.from_pretrained(labels=["a", "b"])
    assert not mine.compiled
    mine.compile(optimizer="sgd", loss="mse", metrics=["mae"])
    assert mine.get_compile_config()["jit_compile"] == "auto"
    mine.backbone.trainable = False
    mine._ensure_compiled()
    assert type(mine.optimizer).__name__ == "SGD"
    mine.compile()
    assert type(mine.optimizer).__name__ == "Adam"


def test_keras_files_open_in_a_fresh_process(model, demo, tmp_path):
    path, saved = tmp_path / "m.keras", tmp_path / "x.npy"
    model.save(path)
    np.save(saved, demo)
    code = (
        "import sys, json, numpy as np\n"
        "x = np.load(sys.argv[2])\n"
        "from keras_musictag.cli.starting import start_keras\n"
        "start_keras()\n"  # half the time
        "import keras_musictag.models, keras\n"
        "a = keras.saving.load_model(sys.argv[1])\n"
        "import keras_musictag as kmt\n"
        "b = kmt.MusicTagger.from_pretrained(sys.argv[1])\n"
        "print(json.dumps([m.predict(x)[0].tolist() for m in (a, b)]))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, path, saved],
        capture_output=True,
        text=True,
        check=True,
    )
    for scores in json.loads(run.stdout.splitlines()[-1]):
        # Not to the last bit: that process shares sums among other threads.
        np.testing.assert_allclose(scores, model.predict(demo)[0], atol=1e-5)


def test_progress_is_quiet_unless_asked(model, demo, capfd):
    model.predict([demo, demo])
    assert capfd.readouterr().out == ""
    model.predict([demo, demo], verbose=1)
    assert "2/2" in capfd.readouterr().out


def test_no_thread_stays_behind(model, demo):
    before = threading.active_count()
    next(model.iter_taggrams([demo] * 50))
    import gc

    gc.collect()
    assert threading.active_count() <= before + 1


def test_every_real_clip_has_the_tags_of_the_original(model, corpus, reference):
    """Whatever the format: the first tag, and five of the original's ten best."""
    stored = json.loads((reference / "musicnn" / "top_tags.json").read_text("utf-8"))
    clips = sorted((corpus / "real").glob("*.*"))
    clips = [clip for clip in clips if clip.suffix != ".tsv"]
    results = model.tag(clips, top_k=5)
    assert len(results) == len(clips) > 0
    for clip, tags in zip(clips, results, strict=True):
        wanted = stored[clip.stem]["MTT_musicnn"]
        names = [name for name, _ in tags]
        # Another resampler than the original's: close scores may change places.
        assert names[0] == wanted[0], clip.name
        assert len(names) == 5 and set(names) <= set(wanted), clip.name
