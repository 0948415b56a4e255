// The song as it sounds, and its chords in step with it.

const RIBBON_SECONDS = 12;

const element = (id) => document.getElementById(id);
const audio = element("player");
let song = null; // seconds, and segments with what the page calls them
let address = null;

/** Takes a file to be played; nothing is shown of it yet. */
export function load(file) {
  if (address) URL.revokeObjectURL(address);
  address = URL.createObjectURL(file);
  audio.src = address;
  song = null;
  for (const id of ["strip", "strip-name", "now", "ribbon", "save-chords"]) {
    element(id).hidden = true;
  }
}

/** Shows chords: segments with `start`, `end`, `name`, `root` and `minor`. */
export function showChords(segments, seconds, lab, name) {
  song = { segments, seconds };
  for (const id of ["strip", "strip-name", "now", "ribbon", "save-chords"]) {
    element(id).hidden = !segments.length;
  }
  const link = element("save-chords");
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([lab], { type: "text/plain" }));
  link.download = name;
  draw();
}

/** Draws what follows the sound anew. */
export function draw() {
  if (!song?.segments.length || element("strip").hidden) return;
  const paper = pen("strip");
  drawBoxes(paper, { from: 0, span: song.seconds, size: 11 });
  const said = song.segments.slice(0, 40).map((part) => part.name);
  element("strip").setAttribute("aria-label", `Chords: ${said.join(", ")}`);
  follow();
}

// === In step with the sound ===

function follow() {
  const seconds = song?.seconds ?? audio.duration;
  const at = Math.min(audio.currentTime, seconds || 0);
  element("playhead").style.left = `${(100 * at) / (seconds || 1)}%`;
  if (!song?.segments.length) return;
  const place = song.segments.findLastIndex((part) => part.start <= at);
  element("chord").textContent = song.segments[place]?.name ?? "";
  element("next").textContent = song.segments[place + 1]?.name ?? "the end";
  const span = Math.min(RIBBON_SECONDS, song.seconds);
  const from = Math.min(Math.max(0, at - span / 3), song.seconds - span);
  const paper = pen("ribbon");
  drawBoxes(paper, { from, span, size: 15 });
  paper.brush.fillStyle = colour("--text");
  paper.brush.fillRect(((at - from) / span) * paper.width - 1, 0, 2, paper.height);
}

function keepUp() {
  follow();
  if (!audio.paused) requestAnimationFrame(keepUp);
}

audio.addEventListener("play", keepUp);
for (const kind of ["seeked", "pause", "loadedmetadata"]) audio.addEventListener(kind, follow);
element("lanes").addEventListener("click", (event) => {
  const box = element("lanes").getBoundingClientRect();
  const length = song?.seconds ?? audio.duration;
  if (length) audio.currentTime = ((event.clientX - box.left) / box.width) * length;
});

// === Boxes of chords ===

function pen(id) {
  const canvas = element(id);
  const scale = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const brush = canvas.getContext("2d");
  brush.scale(scale, scale);
  return { brush, width, height };
}

function drawBoxes({ brush, width, height }, { from, span, size }) {
  const x = (seconds) => ((seconds - from) / span) * width;
  brush.font = `600 ${size}px system-ui, sans-serif`;
  brush.textBaseline = "middle";
  for (const part of song.segments) {
    if (part.end <= from || part.start >= from + span) continue;
    const [left, right] = [x(part.start), x(part.end)];
    brush.fillStyle = boxColour(part);
    brush.fillRect(left, 0, Math.max(1, right - left - 1), height);
    const seen = Math.max(left, 0);
    if (brush.measureText(part.name).width > Math.min(right, width) - seen - 6) continue;
    brush.fillStyle = colour("--text");
    brush.fillText(part.name, seen + 4, height / 2 + 1);
  }
}

// The circle of fifths as a circle of colours: near chords look alike.
function boxColour({ root, minor }) {
  if (root === null) return colour("--line");
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const light = dark ? (minor ? 24 : 36) : minor ? 70 : 84;
  return `hsl(${((root * 7) % 12) * 30} ${dark ? 45 : 70}% ${light}%)`;
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name);
}
