// Tags a song and names its chords, so that the page stays awake meanwhile.

import { chunkAt, chunkStarts, resample } from "./audio.js";
import { hearChords } from "./recognizer.js";
import * as ort from "./vendor/ort.wasm.min.mjs";

const BATCH = 8;

ort.env.wasm.wasmPaths = new URL("vendor/", import.meta.url).href;
// More threads would need a server that isolates the page by its headers.
ort.env.wasm.numThreads = 1;

const ready = (async () => {
  const tagger = {
    about: await (await fetched("model/metadata.json")).json(),
    session: await opened("model/model.onnx"),
  };
  const recognizer = {
    ort,
    about: await (await fetched("chords/about.json")).json(),
    frontend: await opened("chords/frontend.onnx"),
    network: await opened("chords/network.onnx"),
  };
  postMessage({ kind: "ready", about: tagger.about, chords: recognizer.about });
  return { tagger, recognizer };
})();
ready.catch((error) => postMessage({ kind: "broken", reason: String(error.message) }));

async function fetched(name) {
  const answer = await fetch(new URL(name, import.meta.url));
  if (!answer.ok) throw new Error(`${name}: ${answer.status} ${answer.statusText}`);
  return answer;
}

async function opened(name) {
  return ort.InferenceSession.create(await (await fetched(name)).arrayBuffer());
}

let newest = 0;

onmessage = async ({ data: { job, mono, rate } }) => {
  newest = job;
  const goOn = (what) => async (done) => {
    postMessage({ kind: "progress", job, what, done });
    await new Promise((resolve) => setTimeout(resolve)); // hears of newer files
    return job === newest;
  };
  try {
    const { tagger, recognizer } = await ready;
    const tags = await hearTags(tagger, mono, rate, goOn("tags"));
    if (tags === null) return;
    postMessage({ kind: "scores", job, ...tags });
    const segments = await hearChords(recognizer, mono, rate, goOn("chords"));
    if (segments === null) return;
    postMessage({ kind: "chords", job, segments });
  } catch (error) {
    postMessage({ kind: "failed", job, reason: String(error.message) });
  }
};

async function hearTags({ about, session }, mono, rate, goOn) {
  const samples = resample(mono, rate, about.sampling_rate);
  const plan = about.chunking;
  const starts = chunkStarts(samples.length, plan);
  const size = about.labels.names.length;
  const scores = [];
  for (let first = 0; first < starts.length; first += BATCH) {
    if (!(await goOn(first / starts.length))) return null;
    const some = starts.slice(first, first + BATCH);
    const batch = new Float32Array(some.length * plan.chunk_samples);
    some.forEach((start, i) => batch.set(chunkAt(samples, start, plan), i * plan.chunk_samples));
    const waveform = new ort.Tensor("float32", batch, [some.length, plan.chunk_samples]);
    const outputs = await session.run({ waveform });
    for (let i = 0; i < some.length; i++) {
      scores.push(outputs.scores.data.slice(i * size, (i + 1) * size));
    }
  }
  return { scores, times: starts.map((start) => start / about.sampling_rate) };
}
