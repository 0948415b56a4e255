"""Drop-in for the `musicnn` 0.1.0 package: old scripts change one import.

```python
from keras_musictag.compat.musicnn import extractor, top_tags
```

Signatures, defaults and return values are the original's, and so are the scores,
within 1e-4 for the same 16 kHz samples. Kept, too, is a slip of its `extractor`:
`cnn1`, `cnn2`, `cnn3` and `penultimate` repeat the first patch; take those from
`MusicTagger.embed` in new code. What differs, on purpose:

- Files of other rates are resampled by soxr, not by resampy; the spectrogram is
  padded by reflection whatever librosa is installed, as when the models were
  trained.
- Audio shorter than one patch is filled up with zeros; the original fails.
- `MSD_musicnn_big` was never in the released package and is refused.
- A model is loaded once and kept, so that a loop over files is fast.
- `extractor` prints no progress.

References:
    - Pons and Serra, "musicnn: pre-trained convolutional neural networks for
      music audio tagging", ISMIR late-breaking 2019.
"""

from keras_musictag.compat.musicnn.extractor import extractor
from keras_musictag.compat.musicnn.tagger import top_tags

__all__ = ["extractor", "top_tags"]
