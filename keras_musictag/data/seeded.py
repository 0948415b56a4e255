"""Data sets whose batches follow from a seed, the epoch and their number alone."""

import keras
import numpy as np

from keras_musictag.data.reader import fill_rows


class SeededBatches(keras.utils.PyDataset):
    """Base of data sets whose batches follow from seed, epoch and number alone.

    Args:
        seed: Makes the data repeatable; `None` draws one from NumPy, which follows
            `keras.utils.set_random_seed`.
        **kwargs: `workers`, `use_multiprocessing` and `max_queue_size` of Keras.

    Attributes:
        seed: The seed, also if none was given.
        epoch: Number of the current epoch, from 0.
        multiple: Batches are filled up to a multiple of this many items.
    """

    multiple = 1

    def __init__(self, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.seed = self.draw_seed(seed)
        self.epoch = 0
        self._running = self._pending = False

    @staticmethod
    def draw_seed(seed: int | None) -> int:
        """Return the seed, or one drawn from NumPy if there is none."""
        return int(np.random.randint(2**31)) if seed is None else seed

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch, such as the one that a resumed run begins with.

        Args:
            epoch: Its number, from 0.
        """
        self.epoch = int(epoch)
        self._pending = False

    def on_epoch_begin(self) -> None:
        """Begin an epoch."""
        self._running, self._pending = True, False

    def on_epoch_end(self) -> None:
        """Go to the next epoch."""
        self._settle()
        if self._running:
            self.set_epoch(self.epoch + 1)
        # Keras also ends an epoch before the first one has begun: wait and see.
        self._running, self._pending = False, not self._running

    def _filled(self, batch: tuple) -> tuple:
        chosen = fill_rows(len(batch[0]), self.multiple)
        if len(chosen) == len(batch[0]):
            return batch
        return tuple(np.asarray(part)[chosen] for part in batch)

    def _settle(self) -> None:
        """Go on if an epoch ended that had not begun, and is read from now."""
        if self._pending:
            self.set_epoch(self.epoch + 1)
