"""The page in headless Chromium, used as people would."""

import csv
import io
import json
import re
import socket
import time

import numpy as np
import pytest
import soundfile

import keras_musictag as kmt
from keras_musictag.chords.sequence import ChordSequence

httpx = pytest.importorskip("httpx")  # comes with Gradio
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo page")]
DEMO = kmt.audio.demo_path()
SOON = 120_000  # milliseconds; the machine may be busy


@pytest.fixture(scope="module")
def tagger():
    return kmt.MusicTagger.from_pretrained("musicnn_msd")


def give(page, file, *, done=True):
    """Drop a file, a path or `(name, bytes)`, and wait for what comes of it."""
    if not page.locator("#kmt-song input[type=file]").count():
        page.locator("#kmt-song button[aria-label=Clear]").click()
    if isinstance(file, tuple):
        kind = "application/octet-stream"
        file = {"name": file[0], "mimeType": kind, "buffer": file[1]}
    page.locator("#kmt-song input[type=file]").set_input_files(file)
    if done:
        name = file["name"] if isinstance(file, dict) else file.name
        page.locator(".kmt h2").get_by_text(name).wait_for(timeout=SOON)
        page.locator(".kmt-downloads").wait_for(timeout=SOON)


def saved(page, name):
    with page.expect_download() as download:
        page.get_by_role("link", name=name, exact=True).click()
    return download.value.path().read_bytes()


def heard(page):
    """The tags on the page with their scores in percent."""
    for more in page.locator(".kmt-groups summary").all():
        more.click()
    rows = page.locator(".kmt-groups li")
    text = [re.split(r"\n+", row) for row in rows.all_inner_texts()]
    return {label.strip(): float(score.split()[0]) for label, score in text}


def choose(page, menu, name):
    page.locator(f"#kmt-{menu} input").click()
    page.get_by_role("option", name=name).click()


def where(page):
    return page.evaluate("document.querySelector('.kmt audio').currentTime")


def playhead(page):
    """Where the line is, as a share of the lanes."""
    line, lanes = (
        page.locator(name).bounding_box() for name in (".kmt-playhead", ".kmt-lanes")
    )
    return (line["x"] + 1 - lanes["x"]) / lanes["width"]


def wav(samples, rate=16000):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV")
    return file.getvalue()


def test_a_song_gets_its_tags_chords_and_files(window, tagger, song):
    page = window()
    give(page, song)
    assert page.locator(".kmt h2").inner_text() == song.name
    (expected,) = 100 * tagger.predict([str(song)])
    found = heard(page)
    assert sorted(found) == sorted(tagger.labels)
    for label, score in zip(tagger.labels, expected, strict=True):
        assert found[label] == pytest.approx(score, abs=0.5 + 1e-6)
    best = [tagger.labels[i] for i in np.argsort(-expected)[:3]]
    assert page.locator(".kmt-rows button").all_inner_texts()[:3] == best

    facts = json.loads(saved(page, "JSON"))
    assert facts["key"] in ("C:maj", "F:maj")
    np.testing.assert_allclose(facts["taggram"]["times"], [0, 3, 6, 9], atol=0.1)
    rows = list(csv.DictReader(io.StringIO(saved(page, "CSV").decode())))
    assert float(rows[1][best[0]]) == pytest.approx(
        facts["taggram"]["scores"][1][facts["taggram"]["labels"].index(best[0])]
    )
    lines = saved(page, ".lab").decode().split("\n")
    assert [line.split()[2] for line in lines if line] == ["C:maj", "F:maj"] * 2
    assert saved(page, "MIDI")[:4] == b"MThd"
    report = saved(page, "Report").decode()
    assert song.name in report and best[0] in report


def test_the_playhead_and_the_chord_follow_the_sound(window, song):
    page = window()
    give(page, song)
    truth = ChordSequence([[0, 3], [3, 6], [6, 9], [9, 12]], ["C", "F", "C", "F"])
    box = page.locator(".kmt-lanes").bounding_box()
    for share in (0.5 / 12, 3.5 / 12, 6.5 / 12, 9.5 / 12):  # soon after a change
        page.mouse.click(box["x"] + share * box["width"], box["y"] + 40)
        assert where(page) == pytest.approx(12 * share, abs=0.1)
        assert playhead(page) == pytest.approx(share, abs=0.01)
        (name,) = truth.sample([12 * share])
        assert page.locator(".kmt-chord").inner_text() == name
    page.locator(".kmt-lanes").press("Home")
    page.locator(".kmt-lanes").press(" ")
    page.wait_for_function("document.querySelector('.kmt audio').currentTime > 0.5")
    page.locator(".kmt-lanes").press(" ")
    page.wait_for_function("document.querySelector('.kmt audio').paused")
    page.wait_for_timeout(200)
    assert playhead(page) == pytest.approx(where(page) / 12, abs=0.01)


def test_beats_bars_and_keys(window, beaten_song):
    page = window()
    give(page, beaten_song)
    assert page.locator(".kmt-facts").inner_text().endswith(" · 120 BPM · 4/4")
    data = json.loads(saved(page, "JSON"))
    assert data["tempo"] == pytest.approx(120, abs=0.1) and data["meter"] == 4
    assert [key["label"] for key in data["keys"]] == ["C:maj", "E:maj"]
    assert data["keys"][0]["end"] == pytest.approx(28, abs=3)
    times, positions = np.loadtxt(io.BytesIO(saved(page, ".beats"))).T
    np.testing.assert_allclose(times, np.round(times * 2) / 2, atol=0.06)
    assert positions.tolist() == [position for _, position in data["beats"]]
    sheet = saved(page, "Sheet").decode()
    assert "Time: 4/4" in sheet and re.search(r"\| C \.* *\. *\. *\| F", sheet)
    assert ">E 12B<" in saved(page, "Report").decode()
    # Two keys are two colours, and the names of both are there to be read.
    left, near, right = page.evaluate(
        """[0.3, 0.44, 0.9].map((share) => {
          const canvas = document.querySelector(".kmt-keys");
          const pen = canvas.getContext("2d");
          return pen.getImageData(share * canvas.width, 2, 1, 1).data.join();
        })"""
    )
    assert left == near != right
    box = page.locator(".kmt-lanes").bounding_box()
    page.mouse.click(box["x"] + 11.25 / 56 * box["width"], box["y"] + 40)
    now = [page.locator(name).inner_text() for name in (".kmt-beat", ".kmt-key")]
    assert now == ["6, beat 3", "C 8B"]
    lanes = page.locator(".kmt-lanes")
    assert "bar 6, beat 3, C major (8B)" in lanes.get_attribute("aria-valuetext")


def test_lanes_show_where_labels_are_heard(window, tagger, beaten_song):
    page = window()
    give(page, beaten_song)
    names = page.locator(".kmt-heard-names span").all_inner_texts()
    assert names == ["electronic", "vocals"]
    said = page.locator(".kmt-heard-lanes").get_attribute("aria-label")
    assert said.startswith("Where it is heard. electronic: 0:") and said.endswith(
        "nowhere"
    )
    expected = tagger.taggram(str(beaten_song)).segments("electronic", threshold=0.425)
    data = json.loads(saved(page, "JSON"))["segments"]
    assert data["vocals"] == []
    assert np.array(data["electronic"]) == pytest.approx(np.array(expected), abs=1e-3)
    full = page.evaluate(
        """() => {
          const canvas = document.querySelector(".kmt-heard-lanes");
          const pen = canvas.getContext("2d");
          return [0.25, 0.75].map((lane) => Array.from({ length: 56 }, (_, second) => {
            const x = Math.round(((second + 0.5) / 56) * canvas.width);
            const y = Math.round(lane * canvas.height);
            return pen.getImageData(x, y, 1, 1).data.join();
          }));
        }"""
    )
    empty = full[1][0]
    assert set(full[1]) == {empty}
    inside = [any(a <= s + 0.5 < b for a, b in expected) for s in range(56)]
    assert [pixel != empty for pixel in full[0]] == inside
    assert 0 < sum(inside) < 56
    assert 'title="electronic, ' in saved(page, "Report").decode()


def test_another_preset_and_vocabulary(window, song):
    page = window()
    give(page, song)
    page.locator(".kmt-lanes").press("End")
    choose(page, "preset", "vgg_mtt")
    vgg = kmt.MusicTagger.from_pretrained("vgg_mtt")
    best = vgg.tag(str(song), top_k=1)[0][0]
    page.locator(".kmt-rows button").first.get_by_text(best, exact=True).wait_for(
        timeout=SOON
    )
    page.locator(".kmt-status").wait_for(state="hidden", timeout=SOON)
    assert sorted(heard(page)) == sorted(vgg.labels)
    assert where(page) == pytest.approx(12, abs=0.1)  # the song is still the same
    old = page.get_by_role("link", name="JSON").get_attribute("href")
    choose(page, "chords", "crnn_majmin_rendered")
    page.wait_for_function(
        "document.querySelector('#kmt-vocabulary input').value === 'All it knows'"
    )
    page.wait_for_function(
        "old => !document.querySelector(`.kmt-downloads a[href='${old}']`)",
        arg=old,
        timeout=SOON,
    )
    report = saved(page, "Report").decode()
    assert "vgg_mtt" in report and "crnn_majmin_rendered" in report


def test_a_choice_makes_files_once_and_those_before_stay_for_a_while(window, song):
    page = window()
    give(page, song)
    old = page.get_by_role("link", name="JSON").get_attribute("href")
    page.evaluate(
        """() => {
          window.shown = new Set();
          const files = document.querySelector(".kmt-files");
          new MutationObserver(() => shown.add(files.querySelector("a").href)).observe(
            files, { childList: true });
        }"""
    )
    choose(page, "decoder", "Frame by frame")
    page.wait_for_function("shown.size", timeout=SOON)
    time.sleep(3)  # Gradio's menus report a choice twice
    (new,) = page.evaluate("[...shown]")
    for address in (old, new):
        assert httpx.get(address).json()["file"] == song.name
    choose(page, "decoder", "Steady (Viterbi)")
    page.wait_for_function("shown.size === 2", timeout=SOON)
    assert set(page.evaluate("[...shown]")) == {old, new}  # as it was


def test_which_seconds_made_a_tag(window, tagger, song):
    from keras_musictag.insight.saliency import saliency

    page = window()
    give(page, song)
    button = page.locator(".kmt-rows button").first
    label = button.inner_text()
    button.click()
    page.locator(".kmt-why").wait_for(timeout=SOON)
    assert page.locator(".kmt-name-why").inner_text() == label
    # A bar above the line for each second that speaks for the tag.
    seconds = saliency(tagger, str(song), label).seconds()
    blue = page.evaluate(
        """() => {
          const canvas = document.querySelector(".kmt-why");
          const pen = canvas.getContext("2d");
          return Array.from({ length: 12 }, (_, second) => {
            const x = Math.round(((second + 0.5) / 12) * canvas.width);
            const y = Math.round(canvas.height / 2) - 3;
            return pen.getImageData(x, y, 1, 1).data[3] > 0;
          });
        }"""
    )
    clear = np.abs(seconds) > 0.3 * np.abs(seconds).max()
    np.testing.assert_array_equal(np.array(blue)[clear], seconds[clear] > 0)


def test_the_demo_clip_and_similar_clips_can_be_opened(window, song):
    page = window()
    page.get_by_role("button", name="Try the demo clip").click()
    page.locator(".kmt h2").get_by_text(DEMO.name).wait_for(timeout=SOON)
    give(page, song)
    page.locator(".kmt-similar button").get_by_text(DEMO.name).click()
    page.locator(".kmt h2").get_by_text(DEMO.name).wait_for(timeout=SOON)
    page.locator(".kmt-downloads").wait_for(timeout=SOON)
    assert page.locator(".kmt-similar button").all_inner_texts() == [song.name]


BAD = {
    "text.wav": (b"this is a text\n" * 99, "it is not audio"),
    "empty.mp3": (b"", "empty"),
    "long.wav": (wav(np.full(61 * 8000, 0.1), 8000), "longer than 1 minutes"),
    "head.flac": (b"fLaC", "."),
}


def test_bad_files_get_a_sentence_and_the_page_goes_on(window, song):
    page = window()
    for name, (data, says) in BAD.items():
        give(page, (name, data), done=False)
        error = page.locator(".kmt-status[data-state=error]")
        error.get_by_text(says).wait_for(timeout=SOON)
        assert "/" not in error.inner_text()  # no paths of the server
        assert not page.locator(".kmt-result").is_visible()
    give(page, ("large.wav", bytes(3_000_000)), done=False)
    page.get_by_text("exceed the maximum allowed size").wait_for(timeout=SOON)
    give(page, song)
    assert page.locator(".kmt-chord").inner_text() == "C"


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(99000),
        # Whole numbers: rounded to 16 bits, floats of both signs differ by one.
        np.random.default_rng(3).integers(-9999, 9999, (99000, 2), "int16")[:, [0, 0]]
        * np.array([1, -1], "int16"),
    ],
    ids=["silence", "channels that cancel"],
)
def test_where_nothing_is_heard_the_page_says_so(window, samples):
    page = window()
    give(page, ("still.wav", wav(samples)))
    status = page.locator(".kmt-status").inner_text()
    assert status == "Nothing is heard: silence, or channels that cancel each other."
    assert page.locator(".kmt button.kmt-tag").count() == 0
    assert not page.locator(".kmt-now").is_visible()
    facts = json.loads(saved(page, "JSON"))
    assert facts["silent"] and not facts["tags"]
    assert not {"beats", "tempo", "key", "chords", "taggram"} & set(facts)
    for name in (".kmt-heat", ".kmt-groups li", ".kmt-keys", ".kmt-ribbon"):
        assert not page.locator(f"{name}:visible").count()
    assert "nothing is heard" in saved(page, "Report").decode()
    assert page.get_by_role("link", name="CSV").count() == 0


def test_a_short_clip_has_tags_but_no_chords(window):
    page = window()
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 900)
    give(page, ("short.wav", wav(samples)))
    assert page.locator(".kmt-status").inner_text().startswith("No chords:")
    assert not page.locator(".kmt-ribbon").is_visible()
    assert page.get_by_role("link", name="CSV").is_visible()
    for name in ("MIDI", "Sheet", ".beats"):
        assert page.get_by_role("link", name=name).count() == 0


def test_another_song_before_the_first_is_done(window, song):
    page = window()
    noise = np.random.default_rng(1).uniform(-0.2, 0.2, 30 * 16000)
    give(page, ("noise.wav", wav(noise)), done=False)
    page.locator(".kmt-status").get_by_text("Listening").wait_for(timeout=SOON)
    page.locator("#kmt-song button[aria-label=Clear]").click()
    page.locator(".kmt-result").wait_for(state="hidden")
    page.evaluate(
        """() => {
          window.titles = [];
          const title = document.querySelector(".kmt h2");
          new MutationObserver(() => titles.push(title.textContent)).observe(title, {
            childList: true,
          });
        }"""
    )
    give(page, song)
    assert set(page.evaluate("titles")) == {song.name}  # nothing of the noise again


def test_a_file_may_be_dropped_anywhere(window, song):
    page = window()
    give(page, song)
    short = wav(np.random.default_rng(2).uniform(-0.5, 0.5, 900))
    page.evaluate(
        """bytes => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "dropped.wav"));
          const event = new DragEvent("drop", { dataTransfer: data, bubbles: true });
          document.querySelector(".kmt-groups").dispatchEvent(event);
        }""",
        list(short),
    )
    page.locator(".kmt h2").get_by_text("dropped.wav").wait_for(timeout=SOON)


MICROPHONE = """navigator.mediaDevices.getUserMedia = async () => {
  const context = new AudioContext(), ear = context.createMediaStreamDestination();
  for (const frequency of [262, 330, 392]) {
    const tone = new OscillatorNode(context, { frequency });
    tone.connect(new GainNode(context, { gain: 0.2 })).connect(ear);
    tone.start();
  }
  return ear.stream;
}"""


def test_a_recording(window):
    page = window(permissions=["microphone"])
    page.evaluate(MICROPHONE)
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(3000)
    page.get_by_role("button", name="Stop", exact=True).first.click()
    page.locator(".kmt-downloads").wait_for(timeout=SOON)
    assert page.locator(".kmt-chord").inner_text() == "C"
    assert float(page.locator(".kmt-lanes").get_attribute("aria-valuemax")) > 2


def test_two_visitors_get_their_own_songs_and_one_may_leave(window, song):
    first, second, third = window(), window(), window()
    noise = np.random.default_rng(0).uniform(-0.2, 0.2, 30 * 16000)
    give(first, ("noise.wav", wav(noise)), done=False)
    give(second, song, done=False)
    give(third, DEMO, done=False)
    first.get_by_text(re.compile("Listening|Reading")).wait_for(timeout=SOON)
    first.context.close()
    for page, path in ((second, song), (third, DEMO)):
        page.locator(".kmt-downloads").wait_for(timeout=SOON)
        assert page.locator(".kmt h2").inner_text() == path.name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen(window, song, scheme):
    page = window(width=375, height=700, color_scheme=scheme, has_touch=True)
    give(page, song)
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    page.locator(".kmt-lanes").scroll_into_view_if_needed()
    box = page.locator(".kmt-lanes").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + 20)
    assert where(page) == pytest.approx(6, abs=0.2)
    back, text = page.evaluate(
        """() => [document.body,
          document.querySelector(".kmt")].map((node, i) =>
            getComputedStyle(node)[i ? "color" : "backgroundColor"])"""
    )
    levels = [
        np.mean([int(v) for v in re.findall(r"\d+", c)[:3]]) for c in (back, text)
    ]
    assert abs(levels[0] - levels[1]) > 150
    assert (levels[0] < levels[1]) == (scheme == "dark")


def test_all_by_keyboard(window, song):
    page = window()

    def tab_to(what, most=40):
        for _ in range(most):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement?.matches({what!r})"):
                return
        raise AssertionError(f"the Tab key does not reach {what}")

    opened = []
    page.on("filechooser", lambda chooser: opened.append(chooser))
    for _ in range(20):  # a button that is there may not listen yet
        tab_to("#kmt-song button")
        page.keyboard.press("Enter")
        page.wait_for_timeout(1000)
        if opened:
            break
    opened[0].set_files(song)
    page.locator(".kmt-downloads").wait_for(timeout=SOON)
    tab_to(".kmt audio")
    tab_to(".kmt-rows button")
    page.keyboard.press("Enter")
    page.locator(".kmt-why").wait_for(timeout=SOON)
    tab_to(".kmt-lanes")
    page.keyboard.press("ArrowRight")
    assert where(page) == pytest.approx(5, abs=0.1)
    page.keyboard.press("Shift+ArrowRight")
    assert where(page) == pytest.approx(6, abs=0.1)
    slider = page.get_by_role("slider", name="Position in the song")
    assert slider.get_attribute("aria-valuetext").startswith("0:06 of 0:12, chord ")
    page.keyboard.press("Home")
    assert where(page) == 0


def test_no_visitor_makes_the_server_ask_other_machines(address, asked):
    socket.getaddrinfo("192.0.2.1", 80)  # an address that no machine has
    assert asked == ["192.0.2.1"]
    asked.clear()
    path = "http://192.0.2.1/song.wav"
    api = f"{address}gradio_api/"
    for spelling in (path, "http%3A//192.0.2.1/song.wav", "HTTPS://192.0.2.1/song.wav"):
        assert httpx.get(f"{api}file={spelling}").status_code == 403
    song = {"path": path, "url": path, "meta": {"_type": "gradio.FileData"}}
    choices = ["musicnn_msd", "crema", "majmin", "viterbi"]
    call = httpx.post(f"{api}call/listen", json={"data": [song, *choices]}).json()
    events = httpx.get(f"{api}call/listen/{call['event_id']}", timeout=30).text
    assert "event: error" in events
    assert asked == []
