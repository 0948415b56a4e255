// The page: takes a file, shows what the worker makes of it.

import { mixDown, sampleRateOf } from "./audio.js";
import { toLab } from "./chords.js";
import * as player from "./player.js";

const LARGEST_MB = 300; // the browser decodes all of it at once
const FALLBACK_RATE = 48000;
const SILENCE = 1e-4; // -80 dB
const PER_GROUP = 5;
const IN_TAGGRAM = 12;

const element = (id) => document.getElementById(id);
const worker = new Worker("worker.js", { type: "module" });
let about = null;
let chords = null; // what build.py says of the recogniser
let shown = null;
let job = 0;

// === Messages ===

function say(text, kind = "info") {
  element("status").textContent = text;
  element("status").dataset.kind = kind;
}

function progress(part) {
  element("progress").hidden = part === null;
  if (part !== null) element("progress").value = part;
}

function fail(text) {
  say(text, "error");
  progress(null);
}

worker.onerror = () => fail("The page could not start. Run build.py again and reload.");
worker.onmessage = ({ data }) => {
  if (data.kind === "ready") {
    ({ about, chords } = data);
    element("model").textContent =
      `${about.origin?.preset ?? about.class_name} · ${about.labels.names.length} tags, ` +
      `${chords.preset} · ${chords.labels.length} chords`;
    if (!job) say("Ready. Nothing leaves this computer.");
  } else if (data.kind === "broken") {
    fail(`The model could not be loaded (${data.reason}). Run build.py again and reload.`);
  } else if (data.job !== job) {
    return; // about a file that another one has replaced
  } else if (data.kind === "progress") {
    progress(data.done);
    say(`Listening for ${data.what} …`);
  } else if (data.kind === "failed") {
    fail(`The models could not hear this file (${data.reason}).`);
  } else if (data.kind === "scores") {
    show({ ...data, ...pending });
  } else {
    finish(data);
  }
};

// === From a file to the worker ===

let pending = null;

async function take(file) {
  if (!file) return;
  const mine = ++job;
  element("results").hidden = true;
  progress(0);
  say(`Reading ${file.name} …`);
  try {
    const decoded = await decode(file);
    if (mine !== job) return;
    const mono = mixDown(decoded.channels);
    let loudest = 0;
    for (const sample of mono) loudest = Math.max(loudest, Math.abs(sample));
    if (loudest < SILENCE) throw new Refusal(`${file.name} is silent: there is nothing to tag.`);
    pending = { name: file.name, seconds: mono.length / decoded.rate };
    player.load(file);
    worker.postMessage({ job, mono, rate: decoded.rate }, [mono.buffer]);
  } catch (error) {
    if (mine !== job) return;
    if (!(error instanceof Refusal)) throw error;
    fail(error.message);
  }
}

class Refusal extends Error {}

async function decode(file) {
  if (file.size > LARGEST_MB * 1e6) {
    throw new Refusal(
      `${file.name} has ${Math.round(file.size / 1e6)} MB; this page takes up to ` +
        `${LARGEST_MB} MB. Use the command line for long recordings.`,
    );
  }
  let bytes;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Refusal(`${file.name} cannot be read. Is it a folder, or has it moved?`);
  }
  if (!bytes.length) throw new Refusal(`${file.name} is empty.`);
  const context = contextAt(sampleRateOf(bytes) ?? FALLBACK_RATE);
  let audio;
  try {
    audio = await context.decodeAudioData(bytes.buffer);
  } catch {
    throw new Refusal(
      `${file.name} is no audio that this browser can decode. ` +
        "Try WAV, FLAC, MP3 or OGG.",
    );
  }
  if (!audio.length) throw new Refusal(`${file.name} holds no sound at all.`);
  const channels = Array.from({ length: audio.numberOfChannels }, (_, i) => audio.getChannelData(i));
  return { channels, rate: audio.sampleRate };
}

function contextAt(rate) {
  try {
    return new OfflineAudioContext(1, 1, rate);
  } catch {
    return new OfflineAudioContext(1, 1, FALLBACK_RATE); // a rate no browser plays
  }
}

// === What the worker found ===

function show(result) {
  const names = about.labels.names;
  const means = names.map(
    (_, i) => result.scores.reduce((sum, row) => sum + row[i], 0) / result.scores.length,
  );
  const ranked = names.map((_, i) => i).sort((a, b) => means[b] - means[a]);
  shown = { ...result, means, ranked };
  element("title").textContent = result.name;
  element("length").textContent = clock(result.seconds);
  element("best").replaceChildren(...ranked.slice(0, 3).map((i) => made("li", names[i])));
  showGroups();
  element("results").hidden = false;
  drawTaggram();
  const lines = ["label,group,score", ...ranked.map((i) => [quoted(names[i]), groupOf(i), means[i]].join(","))];
  const link = element("save");
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  link.download = `${stem(result.name)}.csv`;
}

// Chords come after the tags; with them all is there.
function finish({ segments }) {
  progress(null);
  const named = segments.map((part) => ({ ...part, ...chords.shown[part.index] }));
  player.showChords(named, shown.seconds, toLab(segments, chords.labels), `${stem(shown.name)}.lab`);
  drawTaggram();
  const chunk = pieceSeconds();
  if (shown.seconds < chunk) {
    say(
      `Only ${shown.seconds.toFixed(2)} s long: the tagger hears ${chunk.toFixed(1)} s at a ` +
        "time, so the rest was filled up. Do not trust these tags much.",
      "warning",
    );
  } else {
    const pieces = `${shown.scores.length} ${shown.scores.length > 1 ? "pieces" : "piece"}`;
    say(`Done: tags of ${pieces} of ${chunk.toFixed(1)} s, and ${segments.length} chords.`);
  }
}

function stem(name) {
  return name.replace(/\.[^.]*$/, "");
}

function showGroups() {
  const groups = new Map();
  for (const i of shown.ranked) groups.set(groupOf(i), [...(groups.get(groupOf(i)) ?? []), i]);
  const sections = [...groups].map(([group, members]) => {
    const section = made("section", "", "group");
    section.append(made("h3", group), bars(members.slice(0, PER_GROUP)));
    const rest = members.slice(PER_GROUP);
    if (rest.length) {
      const more = made("details");
      more.append(made("summary", `${rest.length} more`), bars(rest));
      section.append(more);
    }
    return section;
  });
  element("groups").replaceChildren(...sections);
}

function bars(members) {
  const list = made("ul", "", "bars");
  for (const i of members) {
    const row = made("li");
    const meter = made("span", "", "bar");
    meter.append(made("span"));
    meter.firstChild.style.width = `${100 * shown.means[i]}%`;
    row.append(made("span", about.labels.names[i], "label"), meter, made("span", percent(shown.means[i]), "score"));
    list.append(row);
  }
  return list;
}

// Rows are the best tags, columns the pieces of the track, where they lie in time.
function drawTaggram() {
  if (!shown || element("results").hidden) return;
  const rows = shown.ranked.slice(0, IN_TAGGRAM);
  element("rows").replaceChildren(...rows.map((i) => made("span", about.labels.names[i])));
  const canvas = element("taggram");
  const scale = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
  // The strongest cell has the full colour: scores of music are seldom near 1.
  const strongest = Math.max(...shown.scores.flatMap((row) => rows.map((i) => row[i])));
  const y = canvas.height / rows.length;
  shown.scores.forEach((scores, column) => {
    const end = shown.times[column + 1] ?? Math.min(shown.seconds, shown.times[column] + pieceSeconds());
    const [left, right] = [shown.times[column], end].map((s) => (s / shown.seconds) * canvas.width);
    const gap = right - left > 6 * scale ? scale : 0;
    rows.forEach((i, row) => {
      pen.globalAlpha = 0.06 + (0.94 * scores[i]) / strongest;
      pen.fillRect(left, row * y, Math.max(1, right - left - gap), y - scale);
    });
  });
  const named = rows.slice(0, 3).map((i) => about.labels.names[i]).join(", ");
  canvas.setAttribute("aria-label", `Scores over time; strongest: ${named}`);
  const marks = [0, 0.25, 0.5, 0.75, 1].map((part) => clock(part * shown.seconds));
  element("axis").replaceChildren(...marks.map((mark) => made("span", mark)));
}

function pieceSeconds() {
  return (about.chunking.chunk_samples - 2 * about.chunking.context) / about.sampling_rate;
}

function groupOf(i) {
  return about.labels.groups?.[i] ?? "tags";
}

function percent(score) {
  return `${(100 * score).toFixed(score < 0.095 ? 1 : 0)} %`;
}

function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function quoted(text) {
  return `"${text.replaceAll('"', '""')}"`;
}

function made(tag, text = "", className = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

// === Ways to give a file ===

element("file").addEventListener("change", (event) => {
  take(event.target.files[0]);
  event.target.value = ""; // the same file may come again
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  window.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files[0]);
  });
}
function drawAll() {
  drawTaggram();
  player.draw();
}

window.addEventListener("resize", drawAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
