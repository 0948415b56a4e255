// Chords from the probabilities of frames, as `chords.decode` and `Chordogram` of the
// package make them. Arrays in, arrays out.

const TINY = 1.1754943508222875e-38; // the smallest normal float32

/**
 * Finds the best path where every change costs the same.
 *
 * @param {Float32Array} probabilities Frame after frame, `classes` numbers each.
 * @param {number} classes
 * @param {number} penalty What a change costs, in nats.
 * @returns {Int32Array} The class of each frame; of equal scores, the lower class.
 */
export function steadyPath(probabilities, classes, penalty) {
  const frames = probabilities.length / classes;
  const total = new Float64Array(classes);
  const entered = new Int32Array(classes);
  // For each frame: the best class of the frame before, and when it was entered.
  const before = new Int32Array(frames);
  const since = new Int32Array(frames);
  for (let t = 0; t < frames; t++) {
    const best = highest(total);
    const change = total[best] - penalty;
    before[t] = best;
    since[t] = entered[best];
    for (let i = 0; i < classes; i++) {
      if (t && total[i] <= change) {
        total[i] = change;
        entered[i] = t;
      }
      total[i] += Math.log(probabilities[t * classes + i] + TINY);
    }
  }
  const path = new Int32Array(frames);
  let state = highest(total);
  let [start, end] = [entered[state], frames];
  while (end > 0) {
    path.fill(state, start, end);
    if (!start) break;
    [state, start, end] = [before[start], since[start], start];
  }
  return path;
}

function highest(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/**
 * Joins equal neighbours.
 *
 * @param {Int32Array} path The class of each frame.
 * @param {number} period Seconds from one frame to the next.
 * @param {number} shift Where a frame begins, in frames from its centre.
 * @param {number} seconds Length of the track.
 * @returns {{start: number, end: number, index: number}[]} From 0 to the end.
 */
export function segmentsOf(path, period, shift, seconds) {
  const segments = [];
  path.forEach((index, t) => {
    if (t && index === path[t - 1]) return;
    const start = t ? Math.max(0, (t + shift) * period) : 0;
    if (start >= seconds) return;
    if (t) segments.at(-1).end = start;
    segments.push({ start, end: seconds, index });
  });
  return segments;
}

/** Writes the lines of a `.lab` file. */
export function toLab(segments, labels) {
  const times = ({ start, end }) => `${start.toFixed(6)}\t${end.toFixed(6)}`;
  return segments.map((part) => `${times(part)}\t${labels[part.index]}\n`).join("");
}
