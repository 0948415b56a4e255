"use strict";
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const points = new Float32Array(bytes(data.points).buffer);
const scores = bytes(data.scores);
const neighbors = new Int32Array(bytes(data.neighbors).buffer);
const likeness = new Float32Array(bytes(data.likeness).buffer);
const count = data.names.length;
const labels = data.labels.length;
const near = neighbors.length / count;
const canvas = byId("map");
const pen = canvas.getContext("2d");
const dark = matchMedia("(prefers-color-scheme: dark)");

const view = { x: 0, y: 0, zoom: 1 };
const state = { hover: -1, chosen: -1, from: -1, to: -1, path: [], hits: null };
let colours = [];
let waiting = false;

// === Where a track is on the screen ===

function scale() {
  return Math.min(canvas.clientWidth, canvas.clientHeight) * 0.46 * view.zoom;
}
function screenX(i) {
  return (points[2 * i] - view.x) * scale() + canvas.clientWidth / 2;
}
function screenY(i) {
  return canvas.clientHeight / 2 - (points[2 * i + 1] - view.y) * scale();
}

// Which tracks lie in each cell of the plane: finding one must not look at all.
const CELLS = 64;
const grid = Array.from({ length: CELLS * CELLS }, () => []);
const cell = (v) => Math.max(0, Math.min(CELLS - 1, Math.floor((v + 1) / 2 * CELLS)));
for (let i = 0; i < count; i++) {
  grid[cell(points[2 * i + 1]) * CELLS + cell(points[2 * i])].push(i);
}
function nearest(x, y, reach = 12) {
  const s = scale();
  const px = (x - canvas.clientWidth / 2) / s + view.x;
  const py = (canvas.clientHeight / 2 - y) / s + view.y;
  const r = reach / s;
  let best = -1;
  let closest = r * r;
  for (let row = cell(py - r); row <= cell(py + r); row++) {
    for (let column = cell(px - r); column <= cell(px + r); column++) {
      for (const i of grid[row * CELLS + column]) {
        const d = (points[2 * i] - px) ** 2 + (points[2 * i + 1] - py) ** 2;
        if (d < closest) { closest = d; best = i; }
      }
    }
  }
  return best;
}

// === Colours ===

// From pale to strong on a light page, from dim to bright on a dark one: lightness
// alone tells high from low.
function shade(t) {
  const [a, b] = dark.matches
    ? [[58, 68, 80], [255, 214, 102]] : [[206, 214, 222], [125, 20, 70]];
  return `rgb(${a.map((v, k) => Math.round(v + (b[k] - v) * t)).join(",")})`;
}
function keyColour(code) {
  if (!code) return dark.matches ? "#3a4450" : "#ced6de";
  const minor = code.endsWith("A");
  const light = dark.matches ? (minor ? 50 : 70) : (minor ? 32 : 52);
  return `hsl(${(parseInt(code, 10) - 1) * 30} 65% ${light}%)`;
}
function recolour() {
  const chosen = byId("colour").value;
  const column = parseInt(chosen, 10);
  const byTag = !Number.isNaN(column);
  byId("legend").style.display = byTag ? "flex" : "none";
  if (byTag) {
    // The strongest score of the collection is the end of the ramp: few reach 1.
    let top = 1;
    for (let i = 0; i < count; i++) top = Math.max(top, scores[i * labels + column]);
    const ramp = Array.from({ length: 256 }, (_, v) => shade(Math.min(1, v / top)));
    colours = Array.from({ length: count }, (_, i) => ramp[scores[i * labels + column]]);
    byId("high").textContent = (top / 255).toFixed(2);
    const brush = byId("ramp").getContext("2d");
    for (let x = 0; x < 112; x++) {
      brush.fillStyle = shade(x / 111);
      brush.fillRect(x, 0, 1, 11);
    }
  } else if (chosen === "key") {
    colours = data.keys.map(keyColour);
  } else {
    colours = new Array(count).fill(dark.matches ? "#6cb0e6" : "#1f5a8a");
  }
  // Strong ones are drawn last, above the others.
  order = [...colours.keys()];
  if (byTag) order.sort((a, b) => scores[a * labels + column] - scores[b * labels + column]);
  redraw();
}
let order = [...Array(count).keys()];

// === Drawing ===

function redraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; draw(); });
}
function draw() {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const size = Math.max(2.5, Math.min(9, 220 / Math.sqrt(count))) * Math.sqrt(Math.min(view.zoom, 9));
  const s = scale();
  const dx = width / 2 - view.x * s;
  const dy = height / 2 + view.y * s;
  for (const i of order) {
    const x = points[2 * i] * s + dx;
    const y = dy - points[2 * i + 1] * s;
    if (x < -size || y < -size || x > width + size || y > height + size) continue;
    pen.globalAlpha = state.hits && !state.hits.has(i) ? 0.15 : 1;
    pen.fillStyle = colours[i];
    pen.fillRect(x - size / 2, y - size / 2, size, size);
  }
  pen.globalAlpha = 1;
  const ink = getComputedStyle(document.body).color;
  if (state.path.length > 1) {
    pen.strokeStyle = ink;
    pen.lineWidth = 2;
    pen.beginPath();
    for (const i of state.path) pen.lineTo(screenX(i), screenY(i));
    pen.stroke();
  }
  for (const i of new Set([state.hover, state.chosen, state.from, state.to])) {
    if (i < 0) continue;
    pen.strokeStyle = ink;
    pen.lineWidth = i === state.chosen ? 3 : 1.5;
    pen.beginPath();
    pen.arc(screenX(i), screenY(i), size / 2 + 5, 0, 2 * Math.PI);
    pen.stroke();
  }
}

// === One track ===

function listed(target, tracks, note) {
  target.replaceChildren(...tracks.map((i, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = data.names[i];
    if (note) {
      const more = document.createElement("span");
      more.className = "soft";
      more.textContent = ` ${note(place)}`;
      button.append(more);
    }
    button.addEventListener("click", () => choose(i, true));
    const item = document.createElement("li");
    item.append(button);
    return item;
  }));
}
function choose(i, move = false) {
  state.chosen = i;
  byId("track").hidden = i < 0;
  if (i < 0) return redraw();
  if (move) { view.x = points[2 * i]; view.y = points[2 * i + 1]; }
  byId("name").textContent = data.names[i];
  const key = data.keys[i];
  byId("about").textContent = key ? `Key ${key} on Camelot's wheel` : "";
  const player = byId("player");
  player.hidden = !data.files.length;
  byId("trouble").textContent = "";
  if (data.files.length) player.src = data.files[i];
  const top = data.labels.map((label, k) => [label, scores[i * labels + k] / 255]);
  top.sort((a, b) => b[1] - a[1]);
  byId("tags").replaceChildren(...top.slice(0, 8).map(([label, score]) => {
    const row = document.createElement("tr");
    row.insertCell().textContent = label;
    row.insertCell().textContent = score.toFixed(2);
    return row;
  }));
  const alike = Array.from(neighbors.subarray(i * near, (i + 1) * near));
  listed(byId("alike"), alike, (place) => likeness[i * near + place].toFixed(2));
  redraw();
}
byId("player").addEventListener("error", () => {
  byId("trouble").textContent = "The browser cannot play this file, or it is not there.";
});
function play(i) {
  choose(i);
  if (data.files.length) byId("player").play().catch(() => {});
}

// === A path from one track to another ===

// Neighbours in both directions; squares make many small steps shorter than one leap.
const links = Array.from({ length: count }, () => []);
function link(i, j, cosine) {
  const cost = Math.max(1e-6, (1 - cosine) ** 2);
  links[i].push([j, cost]);
  links[j].push([i, cost]);
}
for (let i = 0; i < count; i++) {
  for (let k = 0; k < near; k++) link(i, neighbors[i * near + k], likeness[i * near + k]);
}
for (const [i, j, cosine] of data.bridges) link(i, j, cosine);
function shortest(from, to) {
  const costs = new Float64Array(count).fill(Infinity);
  const before = new Int32Array(count).fill(-1);
  const heap = [[0, from]];
  costs[from] = 0;
  while (heap.length) {
    const [cost, i] = pop(heap);
    if (i === to) break;
    if (cost > costs[i]) continue;
    for (const [j, step] of links[i]) {
      if (cost + step < costs[j]) {
        costs[j] = cost + step;
        before[j] = i;
        push(heap, [costs[j], j]);
      }
    }
  }
  const path = [to];
  while (path[0] !== from) path.unshift(before[path[0]]);
  return path;
}
function push(heap, entry) {
  heap.push(entry);
  for (let i = heap.length - 1; i > 0;) {
    const parent = (i - 1) >> 1;
    if (heap[parent][0] <= heap[i][0]) break;
    [heap[parent], heap[i]] = [heap[i], heap[parent]];
    i = parent;
  }
}
function pop(heap) {
  const first = heap[0];
  const last = heap.pop();
  if (heap.length) {
    heap[0] = last;
    for (let i = 0; ;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < heap.length && heap[child][0] < heap[least][0]) least = child;
      }
      if (least === i) break;
      [heap[least], heap[i]] = [heap[i], heap[least]];
      i = least;
    }
  }
  return first;
}
function setEnd(which) {
  state[which] = state.chosen;
  byId("path").hidden = false;
  const both = state.from >= 0 && state.to >= 0;
  state.path = both ? shortest(state.from, state.to) : [];
  byId("save").disabled = !state.path.length || !data.files.length;
  byId("route").textContent = !both
    ? `${which === "from" ? "From" : "To"} ${data.names[state.chosen]}; choose the other end.`
    : `${state.path.length} tracks, each like the one before`;
  listed(byId("steps"), state.path);
  redraw();
}
byId("from").addEventListener("click", () => setEnd("from"));
byId("to").addEventListener("click", () => setEnd("to"));
byId("clear").addEventListener("click", () => {
  Object.assign(state, { from: -1, to: -1, path: [] });
  byId("path").hidden = true;
  redraw();
});
function playlist() {
  const lines = state.path.map((i) => `#EXTINF:-1,${data.names[i].replace(/\s+/g, " ")}\n${data.files[i]}`);
  return `#EXTM3U\n${lines.join("\n")}\n`;
}
byId("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([playlist()], { type: "audio/x-mpegurl" }));
  link.download = "path.m3u8";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});

// === Search and colours ===

byId("find").addEventListener("input", () => {
  const text = byId("find").value.trim().toLowerCase();
  const hits = [];
  if (text) data.names.forEach((name, i) => name.toLowerCase().includes(text) && hits.push(i));
  state.hits = text ? new Set(hits) : null;
  byId("found").hidden = !text;
  byId("count").textContent = `${text ? `${hits.length} of ` : ""}${count} tracks`;
  listed(byId("hits"), hits.slice(0, 50));
  redraw();
});
byId("find").addEventListener("keydown", (event) => {
  const first = state.hits && state.hits.values().next().value;
  if (event.key === "Enter" && first !== undefined) choose(first, true);
});
const choices = data.labels.map((label, k) => [String(k), label]);
if (data.keys.some((key) => key)) choices.unshift(["key", "key"]);
choices.push(["none", "none"]);
for (const [value, text] of choices) byId("colour").add(new Option(text, value));
byId("colour").addEventListener("change", recolour);
dark.addEventListener("change", recolour);

// === Moving about ===

function zoomAt(x, y, factor) {
  const zoom = Math.max(0.5, Math.min(200, view.zoom * factor));
  const s = scale();
  const grow = 1 / s - 1 / (s * zoom / view.zoom);
  view.x += (x - canvas.clientWidth / 2) * grow;
  view.y -= (y - canvas.clientHeight / 2) * grow;
  view.zoom = zoom;
  redraw();
}
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoomAt(event.offsetX, event.offsetY, Math.exp(-event.deltaY * 0.0015));
}, { passive: false });
const fingers = new Map();
let moved = 0;
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
  moved = 0;
});
canvas.addEventListener("pointermove", (event) => {
  const { offsetX: x, offsetY: y } = event;
  const last = fingers.get(event.pointerId);
  if (!last) return point(x, y);
  moved += Math.abs(x - last[0]) + Math.abs(y - last[1]);
  if (fingers.size === 2) {
    const [other] = [...fingers].filter(([id]) => id !== event.pointerId);
    const apart = ([a, b]) => Math.hypot(a - other[1][0], b - other[1][1]);
    zoomAt((x + other[1][0]) / 2, (y + other[1][1]) / 2, apart([x, y]) / Math.max(1, apart(last)));
  } else {
    view.x -= (x - last[0]) / scale();
    view.y += (y - last[1]) / scale();
  }
  fingers.set(event.pointerId, [x, y]);
  redraw();
});
for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, (event) => {
    fingers.delete(event.pointerId);
    if (name === "pointerup" && moved < 5) {
      const i = nearest(event.offsetX, event.offsetY);
      if (i >= 0) play(i);
    }
  });
}
canvas.addEventListener("pointerleave", () => point(-1e6, -1e6));
function point(x, y) {
  const i = nearest(x, y);
  const tip = byId("tip");
  tip.style.display = i < 0 ? "none" : "block";
  if (i >= 0) {
    tip.textContent = data.names[i];
    const left = Math.min(x + 14, canvas.clientWidth - tip.offsetWidth - 4);
    const top = Math.min(y + 14, canvas.clientHeight - tip.offsetHeight - 4);
    tip.style.transform = `translate(${left}px, ${top}px)`;
  }
  if (i !== state.hover) { state.hover = i; redraw(); }
}
canvas.addEventListener("keydown", (event) => {
  const step = 0.1 / view.zoom;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
  const centre = [canvas.clientWidth / 2, canvas.clientHeight / 2];
  if (moves[event.key]) {
    view.x += moves[event.key][0];
    view.y += moves[event.key][1];
  } else if (event.key === "+" || event.key === "=") zoomAt(...centre, 1.3);
  else if (event.key === "-") zoomAt(...centre, 1 / 1.3);
  else if (event.key === "Enter") {
    const i = nearest(...centre, 1e4);
    if (i >= 0) play(i);
  } else return;
  event.preventDefault();
  redraw();
});
byId("home").addEventListener("click", () => {
  Object.assign(view, { x: 0, y: 0, zoom: 1 });
  redraw();
});
new ResizeObserver(redraw).observe(byId("stage"));
byId("count").textContent = `${count} tracks`;
recolour();
