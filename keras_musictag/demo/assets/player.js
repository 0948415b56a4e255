// Draws what the server found, in step with the <audio> element. Gradio runs this once,
// with `element`, `props`, `watch` and `trigger`.

const RIBBON_SECONDS = 16; // of chords around the playhead, on a wide screen
const KEY_PIXELS = 20;
const CHORD_PIXELS = 42;
const BEAT_PIXELS = 20;
const STEP_SECONDS = 5; // of an arrow key
const PER_GROUP = 6;
const HINT = "Press a tag to see which seconds made it.";

const find = (name) => element.querySelector(name);
const audio = find("audio");
const lanes = find(".kmt-lanes");
const context = (canvas) => canvas.getContext("2d");
const shown = {};
let view = { state: "empty" };
let why = {};
let wanted;
let position = 0;
let playable = true;

// === What the server says ===

function show(value) {
  if (value.fresh || value.state === "empty") wanted = value.song;
  if (value.song !== wanted) return; // a late result of a song that was replaced
  const before = view.audio?.path;
  const more = value.state === "working" && value.song === view.song;
  // What is known stays on the page until there is something newer.
  view = more ? { ...view, ...value } : value;
  find(".kmt-status").textContent = view.message ?? "";
  find(".kmt-status").dataset.state = view.state;
  find(".kmt-status").hidden = !view.message;
  const there = Boolean(view.audio) && view.state !== "error";
  find(".kmt-result").hidden = !there;
  if (!there) {
    audio.removeAttribute("src");
    audio.load();
    view = { state: view.state, song: view.song };
    return;
  }
  if (view.audio.path !== before) load();
  if (why.preset !== view.preset) clearWhy();
  find(".kmt-hint").hidden = !view.heat;
  find("h2").textContent = view.name;
  const facts = [clock(view.duration), ...(view.facts ?? [])];
  find(".kmt-facts").textContent = facts.join(" · ");
  lanes.setAttribute("aria-valuemax", view.duration.toFixed(1));
  showRows();
  showHeard();
  showGroups();
  showDownloads();
  showSimilar();
  const marks = [0, 0.25, 0.5, 0.75, 1].map((part) => clock(part * view.duration));
  find(".kmt-axis").replaceChildren(...marks.map((mark) => made("span", mark)));
  draw();
}

function load() {
  playable = true;
  position = 0;
  clearWhy();
  find(".kmt-unplayable").hidden = true;
  audio.src = view.audio.url;
}

function clearWhy() {
  why = {};
  find(".kmt-hint").textContent = HINT;
  markPressed();
}

function showWhy(value) {
  if (!value?.tag || value.song !== view.song) return;
  why = value.seconds ? value : {};
  find(".kmt-hint").textContent =
    value.message ??
    `An estimate: seconds that speak for “${value.tag}” are above the line, others below.`;
  draw();
  markPressed();
}

// === Lists ===

// Gradio may send the same again. What has not changed is not made anew, so that the
// keyboard stays at the button where it is.
function refill(name, data, make) {
  const text = JSON.stringify(data ?? []);
  if (shown[name] === text) return;
  shown[name] = text;
  find(name).replaceChildren(...(data ?? []).map(make));
}

function showRows() {
  refill(".kmt-rows", view.heat?.labels, tagButton);
}

// Where labels are heard, in words for those who do not see the picture.
function showHeard() {
  refill(".kmt-heard-names", view.heard?.map(({ name }) => name), (name) => {
    const label = made("span", name);
    label.title = name;
    return label;
  });
  const said = (view.heard ?? []).map(({ name, intervals }) => {
    const times = intervals.map(([start, end]) => `${clock(start)} to ${clock(end)}`);
    return `${name}: ${times.join(", ") || "nowhere"}`;
  });
  find(".kmt-heard-lanes").setAttribute("aria-label", `Where it is heard. ${said.join("; ")}`);
}

function tagButton(label) {
  const button = made("button", label, "kmt-tag");
  button.type = "button";
  button.title = `Which seconds made “${label}”?`;
  button.dataset.tag = label;
  button.setAttribute("aria-pressed", String(label === why.tag));
  button.addEventListener("click", () => {
    find(".kmt-hint").textContent = `Finding the seconds that made “${label}” …`;
    trigger("explain", { tag: label });
  });
  return button;
}

function markPressed() {
  for (const button of element.querySelectorAll("button.kmt-tag")) {
    button.setAttribute("aria-pressed", String(button.dataset.tag === why.tag));
  }
}

function showGroups() {
  const open = new Set(
    [...element.querySelectorAll("details[open]")].map((node) => node.dataset.group),
  );
  refill(".kmt-groups", view.groups, ({ name, tags }) => {
    const section = made("section", "", "kmt-group");
    section.append(made("h3", name), bars(tags.slice(0, PER_GROUP)));
    const rest = tags.slice(PER_GROUP);
    if (rest.length) {
      const more = made("details");
      more.dataset.group = name;
      more.open = open.has(name);
      more.append(made("summary", `${rest.length} more`), bars(rest));
      section.append(more);
    }
    return section;
  });
}

function bars(tags) {
  const list = made("ul");
  for (const [label, score] of tags) {
    const row = made("li");
    const meter = made("span", "", "kmt-bar");
    meter.append(made("span"));
    meter.firstChild.style.width = `${100 * score}%`;
    row.append(tagButton(label), made("span", percent(score), "kmt-score"), meter);
    list.append(row);
  }
  return list;
}

function showDownloads() {
  refill(".kmt-files", view.downloads, ({ name, file }) => {
    const link = made("a", name);
    link.href = file.url;
    link.download = file.orig_name ?? file.path.split("/").pop();
    return link;
  });
  find(".kmt-downloads").hidden = !view.downloads?.length;
}

function showSimilar() {
  find(".kmt-similar").hidden = !view.similar?.length;
  refill(".kmt-similar ol", view.similar, ({ place, name, similarity }) => {
    const item = made("li");
    const button = made("button", name, "kmt-open");
    button.type = "button";
    button.title = "Open this clip";
    button.addEventListener("click", () => trigger("open_clip", { place }));
    item.append(button, made("span", percent(similarity), "kmt-score"));
    return item;
  });
}

// === Pictures ===

function draw() {
  if (find(".kmt-result").hidden) return;
  find(".kmt-wave").hidden = !view.peaks;
  for (const name of [".kmt-strip", ".kmt-ribbon", ".kmt-now", ".kmt-name-chords"]) {
    find(name).hidden = !view.chords;
  }
  for (const name of [".kmt-keys", ".kmt-name-keys"]) find(name).hidden = !view.keys?.length;
  find(".kmt-counted").hidden = !view.beats;
  find(".kmt-in").hidden = !changesKey();
  find(".kmt-heat").hidden = !view.heat;
  for (const name of [".kmt-heard-lanes", ".kmt-heard-names"]) {
    find(name).hidden = !view.heard?.length;
  }
  for (const name of [".kmt-why", ".kmt-name-why"]) find(name).hidden = !why.seconds;
  find(".kmt-name-why").textContent = why.tag ?? "";
  if (view.heat) find(".kmt-heat").style.height = `${find(".kmt-rows").offsetHeight}px`;
  drawWave();
  drawBand(".kmt-strip", view.chords);
  drawBand(".kmt-keys", view.keys);
  drawHeard();
  drawHeat();
  drawWhy();
  move();
}

function pen(name) {
  const canvas = find(name);
  const scale = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const brush = context(canvas);
  brush.scale(scale, scale);
  return { brush, width, height };
}

function colour(name) {
  return getComputedStyle(find(".kmt")).getPropertyValue(`--kmt-${name}`).trim();
}

function isDark() {
  return Boolean(element.closest(".dark") ?? document.querySelector("body.dark"));
}

function drawWave() {
  if (!view.peaks) return;
  const { brush, width, height } = pen(".kmt-wave");
  const loudest = Math.max(...view.peaks, 1e-9);
  const step = width / view.peaks.length;
  brush.fillStyle = colour("wave");
  view.peaks.forEach((peak, i) => {
    const tall = Math.max(1, (peak / loudest) * height);
    brush.fillRect(i * step, (height - tall) / 2, Math.max(step, 0.6), tall);
  });
}

// The circle of fifths as a circle of colours: near chords and keys look alike.
function toneColour(tone) {
  if (tone.root === null) return colour("none");
  const hue = ((tone.root * 7) % 12) * 30;
  const light = isDark() ? (tone.minor ? 24 : 36) : tone.minor ? 70 : 84;
  return `hsl(${hue} ${isDark() ? 45 : 70}% ${light}%)`;
}

// Chords or keys from left to right, in the longest of their names that has room.
function drawBoxes({ brush, width }, boxes, { from, span, top, height, size }) {
  const x = (seconds) => ((seconds - from) / span) * width;
  brush.font = `600 ${size}px system-ui, sans-serif`;
  brush.textBaseline = "middle";
  for (const box of boxes) {
    if (box.end <= from || box.start >= from + span) continue;
    const left = x(box.start);
    const right = x(box.end);
    brush.fillStyle = toneColour(box);
    brush.fillRect(left, top, Math.max(1, right - left - 1), height);
    const room = Math.min(right, width) - Math.max(left, 0) - 8;
    const fits = (name) => name && brush.measureText(name).width <= room;
    const text = [box.about, box.name].find(fits);
    if (!text) continue;
    brush.fillStyle = colour("text");
    brush.fillText(text, Math.max(left, 0) + 5, top + height / 2 + 1);
  }
}

function drawBand(name, boxes) {
  if (!boxes?.length) return;
  const paper = pen(name);
  const { height } = paper;
  drawBoxes(paper, boxes, { from: 0, span: view.duration, top: 0, height, size: 11 });
}

// A tick for each beat; those that begin bars are longer and have the number of the bar.
function drawBeats({ brush, width }, { from, span, top }) {
  brush.font = "11px system-ui, sans-serif";
  brush.textBaseline = "alphabetic";
  for (const [time, place, bar] of view.beats) {
    if (time < from || time > from + span) continue;
    const x = ((time - from) / span) * width;
    const first = place === 1;
    brush.fillStyle = colour(first ? "text" : "soft");
    brush.fillRect(x - (first ? 1 : 0.5), top + 2, first ? 2 : 1, first ? 13 : 6);
    if (first) brush.fillText(bar, x + 4, top + 15);
  }
}

// From the top: the key, the chords, the beats.
function drawRibbon() {
  const canvas = find(".kmt-ribbon");
  const keys = view.keys?.length ? KEY_PIXELS + 2 : 0;
  const below = keys + CHORD_PIXELS;
  const tall = `${below + (view.beats ? BEAT_PIXELS : 0)}px`;
  if (canvas.style.height !== tall) canvas.style.height = tall;
  const wide = Math.max(canvas.clientWidth, 320);
  const span = Math.min(view.duration, (RIBBON_SECONDS * wide) / 1000);
  const from = Math.min(Math.max(0, position - span / 3), view.duration - span);
  const paper = pen(".kmt-ribbon");
  const at = { from, span };
  if (keys) drawBoxes(paper, view.keys, { ...at, top: 0, height: KEY_PIXELS, size: 12 });
  drawBoxes(paper, view.chords, { ...at, top: keys, height: CHORD_PIXELS, size: 15 });
  if (view.beats) drawBeats(paper, { ...at, top: below });
  const x = ((position - from) / span) * paper.width;
  paper.brush.fillStyle = colour("playhead");
  paper.brush.fillRect(x - 1, 0, 2, paper.height);
  return at;
}

// A line for each label: full where it is heard.
function drawHeard() {
  if (!view.heard?.length) return;
  find(".kmt-heard-lanes").style.height = `${find(".kmt-heard-names").offsetHeight}px`;
  const { brush, width, height } = pen(".kmt-heard-lanes");
  const tall = height / view.heard.length;
  const x = (seconds) => (Math.min(seconds, view.duration) / view.duration) * width;
  view.heard.forEach(({ intervals }, i) => {
    const top = i * tall + 2;
    brush.fillStyle = colour("none");
    brush.fillRect(0, top, width, tall - 4);
    brush.fillStyle = colour("accent");
    for (const [start, end] of intervals) {
      brush.fillRect(x(start), top, Math.max(1, x(end) - x(start)), tall - 4);
    }
  });
}

// Rows are tags, columns moments. The strongest cell has the full colour: scores of
// music are seldom near 1.
function drawHeat() {
  if (!view.heat) return;
  const { brush, width, height } = pen(".kmt-heat");
  const { times, rows } = view.heat;
  const tall = height / rows.length;
  const strongest = Math.max(...rows.flat(), 1e-6);
  brush.fillStyle = colour("accent");
  times.forEach((time, i) => {
    const left = (time / view.duration) * width;
    const right = ((times[i + 1] ?? view.duration) / view.duration) * width;
    const gap = right - left > 6 ? 1 : 0;
    rows.forEach((row, j) => {
      brush.globalAlpha = 0.06 + (0.94 * row[i]) / strongest;
      brush.fillRect(left, j * tall + 0.5, Math.max(1, right - left - gap), tall - 1);
    });
  });
}

function drawWhy() {
  if (!why.seconds) return;
  const { brush, width, height } = pen(".kmt-why");
  const most = Math.max(...why.seconds.map(Math.abs), 1e-9);
  const step = width / view.duration;
  brush.fillStyle = colour("line");
  brush.fillRect(0, height / 2 - 0.5, width, 1);
  why.seconds.forEach((value, second) => {
    const tall = (Math.abs(value) / most) * (height / 2 - 1);
    const right = Math.min(second + 1, view.duration) * step;
    brush.fillStyle = colour(value > 0 ? "accent" : "against");
    brush.fillRect(
      second * step,
      value > 0 ? height / 2 - tall : height / 2,
      Math.max(1, right - second * step - (step > 4 ? 1 : 0)),
      tall,
    );
  });
}

// === Where we are ===

// The chord or key that sounds.
function soundsAt(seconds, boxes) {
  const inside = Math.min(seconds, view.duration - 1e-3); // the end still sounds
  return (boxes ?? []).find((box) => box.start <= inside && inside < box.end);
}

function changesKey() {
  return new Set((view.keys ?? []).map((key) => key.name)).size > 1;
}

function countAt(seconds) {
  const [, place, bar] = view.beats?.findLast(([time]) => time <= seconds) ?? [];
  return bar ? `${bar}, beat ${place}` : "–";
}

function heardAt(seconds) {
  if (!view.heat) return "";
  const { times, rows, labels } = view.heat;
  const later = times.findIndex((time) => time > seconds);
  const column = later < 0 ? times.length - 1 : Math.max(0, later - 1);
  const order = labels.map((_, i) => i).sort((a, b) => rows[b][column] - rows[a][column]);
  return order.slice(0, 3).map((i) => labels[i]).join(", ");
}

function move() {
  if (!view.audio || !view.duration) return;
  find(".kmt-playhead").style.left = `${(100 * position) / view.duration}%`;
  const name = soundsAt(position, view.chords)?.name ?? "–";
  const key = soundsAt(position, view.keys);
  const count = countAt(position);
  if (view.chords) {
    find(".kmt-chord").textContent = name;
    const next = view.chords.find((chord) => chord.start > position);
    find(".kmt-next").textContent = next?.name ?? "–";
    find(".kmt-tags").textContent = heardAt(position);
    find(".kmt-beat").textContent = count;
    find(".kmt-key").textContent = key?.name ?? "–";
    drawRibbon();
  }
  lanes.setAttribute("aria-valuenow", position.toFixed(1));
  const spoken = [
    view.chords && `, chord ${name}`,
    view.beats && `, bar ${count}`,
    changesKey() && key && `, ${key.about}`,
  ];
  lanes.setAttribute(
    "aria-valuetext",
    `${clock(position)} of ${clock(view.duration)}${spoken.filter(Boolean).join("")}`,
  );
}

function seek(seconds) {
  position = Math.min(Math.max(0, seconds), view.duration);
  if (playable) audio.currentTime = position;
  move();
}

function follow() {
  if (!audio.paused) requestAnimationFrame(follow);
  position = Math.min(audio.currentTime, view.duration ?? 0);
  move();
}

audio.addEventListener("play", follow);
for (const kind of ["seeked", "pause", "ended"]) {
  audio.addEventListener(kind, () => audio.paused && follow());
}
audio.addEventListener("error", () => {
  if (!audio.getAttribute("src")) return;
  playable = false;
  find(".kmt-unplayable").hidden = false;
});

// === Mouse, fingers, keys ===

function dragged(target, time) {
  const go = (event) => {
    const box = target.getBoundingClientRect();
    seek(time((event.clientX - box.left) / box.width));
  };
  target.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    target.setPointerCapture(event.pointerId);
    go(event);
  });
  target.addEventListener("pointermove", (event) => {
    if (target.hasPointerCapture(event.pointerId)) go(event);
  });
}

dragged(lanes, (part) => part * view.duration);
find(".kmt-ribbon").addEventListener("click", (event) => {
  const { from, span } = drawRibbon();
  const box = event.currentTarget.getBoundingClientRect();
  seek(from + ((event.clientX - box.left) / box.width) * span);
});

lanes.addEventListener("keydown", (event) => {
  const step = event.shiftKey ? 1 : STEP_SECONDS;
  const targets = {
    ArrowRight: position + step,
    ArrowUp: position + step,
    ArrowLeft: position - step,
    ArrowDown: position - step,
    PageUp: position + view.duration / 10,
    PageDown: position - view.duration / 10,
    Home: 0,
    End: view.duration,
  };
  if (event.key in targets) seek(targets[event.key]);
  else if (event.key === " ") audio.paused ? audio.play() : audio.pause();
  else return;
  event.preventDefault();
});

// A file may be dropped anywhere, also when there is a song already.
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", async (event) => {
  const free = document.querySelector("#kmt-song input[type=file]");
  const files = event.dataTransfer.files;
  if ((free && event.target.closest("#kmt-song")) || !files.length) return;
  event.preventDefault();
  document.querySelector("#kmt-song button[aria-label=Clear]")?.click();
  for (let i = 0; i < 50; i++) {
    const input = document.querySelector("#kmt-song input[type=file]");
    if (input) {
      input.files = files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
      return;
    }
    await new Promise((ready) => setTimeout(ready, 20));
  }
});

// === Small things ===

function percent(score) {
  return `${(100 * score).toFixed(score < 0.095 ? 1 : 0)} %`;
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function made(tag, text = "", className = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

new ResizeObserver(draw).observe(element);
new MutationObserver(draw).observe(document.body, { attributeFilter: ["class"] });
watch("value", () => show(props.value));
// Not in quotes: Gradio takes every quoted name in here for an event, and would send
// the text of that event's Python object beside the property of the same name.
const [property] = Object.keys({ why });
watch(property, () => showWhy(props.why));
show(props.value);
