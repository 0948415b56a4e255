"""Audio decoded by tensorflow-io, as near to soundfile as its operations allow."""

from collections.abc import Callable

import numpy as np

from keras_musictag import audio
from keras_musictag.audio.decoders import open_sound
from keras_musictag.data.reader import load_track
from keras_musictag.data.track import Track
from keras_musictag.errors import AudioError, MissingExtraError, import_extra


def decoder_of_tracks() -> Callable[[Track, int], np.ndarray]:
    """Return a function that decodes a whole track by tensorflow-io.

    WAV of 8, 16 and 24 bit and of floats, FLAC of 16 and 24 bit, OGG Vorbis and MP3;
    soundfile decodes the rest. The resampler is soxr in both cases.

    Returns:
        Takes a `Track` and a rate in Hz, gives a float32 array `(samples,)`; raises
        `AudioError` for what cannot be read.

    Raises:
        MissingExtraError: If tensorflow-io is not installed, or was built for another
            TensorFlow than the one that is.
    """
    import tensorflow as tf

    io = import_extra(
        "tensorflow_io", "tensorflow-io", "Decoding with decoder='tensorflow-io'"
    ).audio
    _check_fits(io, tf)
    # The operation, the type it must be told, and the full scale of that type.
    whole = {"PCM_U8": tf.uint8, "PCM_16": tf.int16, "PCM_24": tf.int32}
    whole["FLOAT"] = tf.float32
    operations = {("WAV", k): (io.decode_wav, {"dtype": t}) for k, t in whole.items()}
    operations |= {("WAVEX", k[1]): v for k, v in operations.items()}
    operations["FLAC", "PCM_16"] = io.decode_flac, {"dtype": tf.int16}
    operations["FLAC", "PCM_24"] = io.decode_flac, {"dtype": tf.int32}
    operations["OGG", "VORBIS"] = io.decode_vorbis, {}
    operations["MP3", "MPEG_LAYER_III"] = io.decode_mp3, {}

    def decode(track: Track, rate: int) -> np.ndarray:
        if track.member is not None:
            return load_track(track, rate)
        # It reads the head of the file, and says what is wrong with a bad one.
        with open_sound(track.path) as sound:
            operation = operations.get(sound.kind)
            own_rate = sound.sample_rate
        if operation is None:
            return load_track(track, rate)
        function, options = operation
        try:
            data = function(tf.io.read_file(str(track.path)), **options).numpy()
        except tf.errors.OpError as error:
            raise AudioError(
                f"tensorflow-io cannot decode the file ({error.message}).",
                received=str(track.path),
                advice='Check that it plays elsewhere, or use decoder="soundfile".',
            ) from error
        if not data.size:
            return load_track(track, rate)
        y = audio.to_mono(np.ascontiguousarray(data.T), name=str(track.path))
        return audio.resample(y, own_rate, rate)

    return decode


def _check_fits(io, tf) -> None:
    """Decode one sample: operations built for another TensorFlow do not load."""
    sizes = [np.array(n, "<u4").tobytes() for n in (38, 16, 16000, 32000, 2)]
    head = b"RIFF" + sizes[0] + b"WAVEfmt " + sizes[1] + b"\1\0\1\0" + sizes[2]
    wav = head + sizes[3] + b"\2\0\x10\0data" + sizes[4] + b"\1\0"
    try:
        io.decode_wav(wav, dtype=tf.int16)
    except (NotImplementedError, AttributeError, tf.errors.OpError) as error:
        raise MissingExtraError(
            "tensorflow-io does not work with this TensorFlow. Received: TensorFlow "
            f"{tf.__version__}, {type(error).__name__}: {str(error)[:200]}. Install "
            "tensorflow-io 0.37.1 with TensorFlow 2.16.2, or use "
            'decoder="soundfile".'
        ) from error
