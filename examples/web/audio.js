// Audio as the model wants it: one channel, its rate, chunks. Arrays in, arrays out.

// How the low-pass falls: from here to half the lower rate, by so many decibels.
const PASSED = 0.913;
const REJECTION_DB = 100;

/** Finds the sample rate in the head of a file, so that no browser resamples. */
export function sampleRateOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const start = afterId3(bytes);
    if (isAt(bytes, "RIFF", start) && isAt(bytes, "WAVE", start + 8)) {
      for (let at = start + 12; at < bytes.length; ) {
        if (isAt(bytes, "fmt ", at)) return view.getUint32(at + 12, true);
        const size = view.getUint32(at + 4, true);
        at += 8 + size + (size % 2);
      }
    }
    const isOgg = isAt(bytes, "OggS", start);
    const flac = isOgg ? find(bytes, "fLaC", start, 200) : start;
    if (flac >= 0 && isAt(bytes, "fLaC", flac)) {
      return (bytes[flac + 18] << 12) | (bytes[flac + 19] << 4) | (bytes[flac + 20] >> 4);
    }
    if (isOgg) {
      const vorbis = find(bytes, "\x01vorbis", start, 200);
      return vorbis < 0 ? 48000 : view.getUint32(vorbis + 12, true);
    }
    if (isAt(bytes, "ftyp", start + 4)) {
      const entry = find(bytes, "mp4a", start, bytes.length);
      return entry < 0 ? null : view.getUint16(entry + 28);
    }
    return mp3Rate(bytes, start);
  } catch (error) {
    if (error instanceof RangeError) return null; // the head is cut off
    throw error;
  }
}

function mp3Rate(bytes, start) {
  for (let at = start; at < Math.min(bytes.length - 2, start + 65536); at++) {
    if (bytes[at] !== 0xff || (bytes[at + 1] & 0xe6) !== 0xe2) continue; // layer III
    const version = (bytes[at + 1] >> 3) & 3;
    const index = (bytes[at + 2] >> 2) & 3;
    if (version === 1 || index === 3) continue; // reserved: no header
    return [44100, 48000, 32000][index] / { 3: 1, 2: 2, 0: 4 }[version];
  }
  return null;
}

function afterId3(bytes) {
  if (!isAt(bytes, "ID3", 0)) return 0;
  return 10 + bytes.subarray(6, 10).reduce((sum, byte) => sum * 128 + byte, 0);
}

function isAt(bytes, word, at) {
  return [...word].every((letter, i) => bytes[at + i] === letter.charCodeAt(0));
}

function find(bytes, word, start, length) {
  const end = Math.min(bytes.length, start + length) - word.length;
  for (let at = start; at <= end; at++) if (isAt(bytes, word, at)) return at;
  return -1;
}

/** Takes the mean of channels of equal length. */
export function mixDown(channels) {
  const mono = Float32Array.from(channels[0]);
  for (const channel of channels.slice(1)) {
    for (let i = 0; i < mono.length; i++) mono[i] += channel[i];
  }
  for (let i = 0; i < mono.length; i++) mono[i] /= channels.length;
  return mono;
}

/** Resamples with a windowed sinc (Kaiser), one set of taps for each phase. */
export function resample(samples, from, to) {
  if (from === to) return samples;
  const divisor = gcd(from, to);
  const [up, down] = [to / divisor, from / divisor];
  const cutoff = (Math.min(1, to / from) * (1 + PASSED)) / 2; // 1 is half of `from`
  const width = Math.min(1, to / from) * (1 - PASSED) * Math.PI;
  const half = Math.ceil((REJECTION_DB - 7.95) / (2.285 * width) / 2);
  const taps = phases(up, half, cutoff);
  const result = new Float32Array(Math.round((samples.length * to) / from));
  for (let n = 0; n < result.length; n++) {
    const at = Math.floor((n * down) / up);
    const row = ((n * down) % up) * 2 * half;
    const first = at - half + 1;
    const begin = Math.max(0, -first);
    const end = Math.min(2 * half, samples.length - first);
    let sum = 0;
    for (let k = begin; k < end; k++) sum += taps[row + k] * samples[first + k];
    result[n] = sum;
  }
  return result;
}

function phases(up, half, cutoff) {
  const taps = new Float32Array(up * 2 * half);
  const beta = 0.1102 * (REJECTION_DB - 8.7);
  for (let phase = 0; phase < up; phase++) {
    for (let k = 0; k < 2 * half; k++) {
      const t = k - half + 1 - phase / up; // in samples of the input
      const angle = Math.PI * cutoff * t;
      const sinc = t === 0 ? 1 : Math.sin(angle) / angle;
      const inside = Math.max(0, 1 - (t / half) ** 2);
      const window = bessel(beta * Math.sqrt(inside)) / bessel(beta);
      taps[phase * 2 * half + k] = cutoff * sinc * window;
    }
  }
  return taps;
}

function bessel(x) {
  let [sum, term] = [1, 1];
  for (let k = 1; term > 1e-12 * sum; k++) sum += term *= (x / 2 / k) ** 2;
  return sum;
}

function gcd(a, b) {
  return b ? gcd(b, a % b) : a;
}

/** Says where the chunks of a track begin, as `audio.ChunkPlan.starts` does. */
export function chunkStarts(length, plan) {
  const core = plan.chunk_samples - 2 * plan.context;
  const spare = Math.max(0, length - core);
  const starts = [];
  for (let at = 0; at <= spare; at += plan.hop_samples) starts.push(at);
  const next = starts.length * plan.hop_samples;
  if (starts.at(-1) + core < length) {
    if (plan.tail === "overlap") starts.push(length - core);
    else if (plan.tail === "pad" && next < length) starts.push(next);
  }
  return starts;
}

/** Cuts one chunk with its context, filled up and reflected as the plan says. */
export function chunkAt(samples, start, plan) {
  const core = plan.chunk_samples - 2 * plan.context;
  const end = Math.max(samples.length, start + core);
  const value = (at) => {
    if (at < samples.length) return samples[at];
    if (plan.pad !== "repeat") return 0;
    return samples[start + ((at - start) % (samples.length - start))];
  };
  const chunk = new Float32Array(plan.chunk_samples);
  for (let i = 0; i < chunk.length; i++) {
    let at = start - plan.context + i;
    if (plan.edge === "reflect") {
      if (at < 0) at = -at;
      else if (at >= end) at = 2 * (end - 1) - at;
    }
    chunk[i] = at < 0 || at >= end ? 0 : value(at);
  }
  return chunk;
}
