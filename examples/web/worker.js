// Resamples and scores, so that the page stays awake meanwhile.

import { chunkAt, chunkStarts, resample } from "./audio.js";
import * as ort from "./vendor/ort.wasm.min.mjs";

const BATCH = 8;

ort.env.wasm.wasmPaths = new URL("vendor/", import.meta.url).href;
// More threads would need a server that isolates the page by its headers.
ort.env.wasm.numThreads = 1;

const ready = (async () => {
  const about = await (await fetched("model/metadata.json")).json();
  const network = await (await fetched("model/model.onnx")).arrayBuffer();
  const session = await ort.InferenceSession.create(network);
  postMessage({ kind: "ready", about });
  return { about, session };
})();
ready.catch((error) => postMessage({ kind: "broken", reason: String(error.message) }));

async function fetched(name) {
  const answer = await fetch(new URL(name, import.meta.url));
  if (!answer.ok) throw new Error(`${name}: ${answer.status} ${answer.statusText}`);
  return answer;
}

let newest = 0;

onmessage = async ({ data: { job, mono, rate } }) => {
  newest = job;
  try {
    const { about, session } = await ready;
    const samples = resample(mono, rate, about.sampling_rate);
    const plan = about.chunking;
    const starts = chunkStarts(samples.length, plan);
    const scores = [];
    for (let first = 0; first < starts.length; first += BATCH) {
      postMessage({ kind: "progress", job, done: first / starts.length });
      await new Promise((resolve) => setTimeout(resolve)); // hears of newer files
      if (job !== newest) return;
      const some = starts.slice(first, first + BATCH);
      const batch = new Float32Array(some.length * plan.chunk_samples);
      some.forEach((start, i) => batch.set(chunkAt(samples, start, plan), i * plan.chunk_samples));
      const waveform = new ort.Tensor("float32", batch, [some.length, plan.chunk_samples]);
      const outputs = await session.run({ waveform });
      const size = about.labels.names.length;
      for (let i = 0; i < some.length; i++) {
        scores.push(outputs.scores.data.slice(i * size, (i + 1) * size));
      }
    }
    const times = starts.map((start) => start / about.sampling_rate);
    postMessage({ kind: "scores", job, scores, times });
  } catch (error) {
    postMessage({ kind: "failed", job, reason: String(error.message) });
  }
};
