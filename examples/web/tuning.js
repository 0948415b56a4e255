// How far music is from A4 at 440 Hz, as `audio.estimate_tuning` of the package says.

export const RATE = 22050;
const N_FFT = 2048;
const HOP = 512;
// Spectral peaks count from here to there, in Hz, if they reach this part of the
// loudest value of their frame.
const [LOWEST, HIGHEST, PART] = [150, 4000, 0.1];
const STEPS = 100; // of the answer in a bin
const PER_OCTAVE = 36;
const AGREEMENT = 0.1; // semitones
const DOUBTFUL = 0.05;
const A0_HZ = 27.5;

/**
 * Hears the tuning of a track.
 *
 * @param {Float32Array} samples At 22,050 Hz.
 * @param {string} method "auto" or "original", as in the package.
 * @returns {number} Semitones.
 */
export function hearTuning(samples, method) {
  const octaves = louderPeaks(samples).map((hz) => Math.log2(hz / A0_HZ));
  if (!octaves.length) return 0;
  let bins = fullest(octaves.map((x) => PER_OCTAVE * x));
  if (method === "auto") {
    const coarse = (PER_OCTAVE / 12) * fullest(octaves.map((x) => 12 * x));
    bins += Math.round(coarse - bins);
    const most = PER_OCTAVE / 24;
    bins = Math.max(-most, Math.min(bins, most));
    const agreeing = octaves.filter(
      (x) => Math.abs(residual(12 * x - (12 / PER_OCTAVE) * bins)) <= AGREEMENT,
    );
    const byChance = 2 * AGREEMENT;
    const confidence = (agreeing.length / octaves.length - byChance) / (1 - byChance);
    if (confidence < DOUBTFUL) return 0;
  }
  return (bins * 12) / PER_OCTAVE;
}

// Frequencies of the louder half of all peaks.
function louderPeaks(samples) {
  const peaks = [];
  const [real, imaginary] = [new Float64Array(N_FFT), new Float64Array(N_FFT)];
  const frames = 1 + Math.floor(samples.length / HOP); // the first is centred at 0
  for (let frame = 0; frame < frames; frame++) {
    const first = frame * HOP - N_FFT / 2;
    for (let i = 0; i < N_FFT; i++) {
      real[i] = (samples[first + i] ?? 0) * WINDOW[i];
    }
    imaginary.fill(0);
    transform(real, imaginary);
    collectPeaks(real, imaginary, peaks);
  }
  const sizes = Float64Array.from(peaks, ([, size]) => size).sort();
  const middle = sizes.length / 2;
  const median = (sizes[Math.ceil(middle) - 1] + sizes[Math.floor(middle)]) / 2;
  return peaks.filter(([, size]) => size >= median).map(([hz]) => hz);
}

function collectPeaks(real, imaginary, peaks) {
  const width = RATE / N_FFT;
  const first = Math.ceil(LOWEST / width);
  const end = Math.ceil(HIGHEST / width);
  let loudest = 0;
  for (let k = 0; k <= N_FFT / 2; k++) {
    SIZES[k] = Math.sqrt(real[k] ** 2 + imaginary[k] ** 2);
    loudest = Math.max(loudest, SIZES[k]);
  }
  const heard = (value) => (value > PART * loudest ? value : 0);
  for (let k = first; k < end; k++) {
    const [before, here, after] = SIZES.subarray(k - 1, k + 2);
    if (!(heard(here) > heard(before) && heard(here) >= heard(after))) continue;
    const bend = after + before - 2 * here;
    const slope = (after - before) / 2;
    const shift = Math.abs(slope) >= Math.abs(bend) ? 0 : -slope / bend;
    peaks.push([(k + shift) * width, here + 0.5 * slope * shift]);
  }
}

const SIZES = new Float64Array(N_FFT / 2 + 1);
const WINDOW = Float64Array.from(
  { length: N_FFT },
  (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / N_FFT),
);
const turn = (wave) =>
  Float64Array.from({ length: N_FFT / 2 }, (_, i) => wave((2 * Math.PI * i) / N_FFT));
const [COSINES, SINES] = [turn(Math.cos), turn(Math.sin)];

// A Fourier transform in place, by halves.
function transform(real, imaginary) {
  for (let i = 1, j = 0; i < N_FFT; i++) {
    let bit = N_FFT >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let size = 2; size <= N_FFT; size *= 2) {
    const [half, step] = [size / 2, N_FFT / size];
    for (let start = 0; start < N_FFT; start += size) {
      for (let k = 0; k < half; k++) {
        const [cosine, sine] = [COSINES[k * step], SINES[k * step]];
        const [a, b] = [start + k, start + k + half];
        const x = real[b] * cosine + imaginary[b] * sine;
        const y = imaginary[b] * cosine - real[b] * sine;
        real[b] = real[a] - x;
        imaginary[b] = imaginary[a] - y;
        real[a] += x;
        imaginary[a] += y;
      }
    }
  }
}

// The distance from the nearest whole number, from -0.5 to below 0.5.
function residual(bins) {
  const rest = bins - Math.floor(bins);
  return rest >= 0.5 ? rest - 1 : rest;
}

// Where most values lie between whole numbers: the left edge of a cell.
function fullest(bins) {
  const counts = new Int32Array(STEPS);
  for (const bin of bins) {
    counts[Math.min(STEPS - 1, Math.floor((residual(bin) + 0.5) * STEPS))]++;
  }
  return counts.indexOf(Math.max(...counts)) / STEPS - 0.5;
}
