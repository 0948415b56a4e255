// Names the chords of a track: the front-end block by block, then the network over all
// of it, as `engines.whole_track` of the package does.

import { chunkAt, chunkStarts, resample } from "./audio.js";
import { segmentsOf, steadyPath } from "./chords.js";
import { hearTuning, RATE } from "./tuning.js";

/**
 * Hears a track.
 *
 * @param {object} model `about`, what build.py says of the recogniser; the sessions
 *   `frontend` and `network`; and `ort`.
 * @param {Float32Array} mono The track.
 * @param {number} rate Of it, in Hz.
 * @param {(done: number) => Promise<boolean>} goOn Told how far it is; says whether
 *   anybody still waits.
 * @returns {Promise<object[] | null>} The segments; `null` if nobody waits.
 */
export async function hearChords(model, mono, rate, goOn) {
  const { about } = model;
  const { samples, heardAt } = inTune(mono, rate, about);
  const count = Math.floor(samples.length / about.hop_length);
  if (!count) return [];
  const frames = count + (about.decibels ? 0 : 1);
  const magnitudes = await analyse(model, samples, frames, goOn);
  if (magnitudes === null) return null;
  const { dims, data } = magnitudes;
  const classes = about.labels.length;
  const loudest = data.reduce((most, value) => Math.max(most, value), 0);
  const silent = about.labels.indexOf("N");
  let path = new Int32Array(count).fill(silent);
  if (loudest > about.silence || silent < 0) {
    const given = { [model.network.inputNames[0]]: new model.ort.Tensor("float32", data, dims) };
    const { chord } = await model.network.run(given);
    path = steadyPath(chord.data, classes, about.penalty);
  }
  return segmentsOf(path, about.hop_length / heardAt, about.shift, mono.length / rate);
}

// Music that is out of tune is slowed down or hurried until it is in tune.
function inTune(mono, rate, about) {
  let { tuning } = about;
  if (typeof tuning === "string") tuning = hearTuning(resample(mono, rate, RATE), tuning);
  const heardAt = Math.round(about.sampling_rate * 2 ** (tuning / 12));
  return { samples: resample(mono, rate, heardAt), heardAt };
}

async function analyse({ about, frontend, ort }, samples, frames, goOn) {
  const plan = about.chunking;
  const starts = chunkStarts(samples.length, plan);
  const skipped = about.context_frames;
  const block = plan.hop_samples / about.hop_length;
  let data = null;
  let dims = null;
  for (const [place, start] of starts.entries()) {
    if (!(await goOn(place / starts.length))) return null;
    const first = start - plan.context;
    const span = [-first, samples.length - first].map((at) =>
      Math.min(Math.max(at, 0), plan.chunk_samples),
    );
    const [chunk, part] = frontend.inputNames;
    const outputs = await frontend.run({
      [chunk]: new ort.Tensor("float32", chunkAt(samples, start, plan), [1, plan.chunk_samples]),
      [part]: new ort.Tensor("int32", Int32Array.from(span), [1, 2]),
    });
    const values = outputs[frontend.outputNames[0]];
    const size = values.dims.slice(2).reduce((product, n) => product * n, 1);
    dims ??= [1, frames, ...values.dims.slice(2)];
    data ??= new Float32Array(frames * size);
    const at = place * block;
    const kept = Math.min(frames - at, values.dims[1] - skipped);
    data.set(values.data.subarray(skipped * size, (skipped + kept) * size), at * size);
  }
  return { dims, data };
}
