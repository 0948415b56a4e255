"""Self-attention within windows of an image, as in the Swin transformer."""

import keras
import numpy as np
from keras import layers, ops

from keras_musictag.checks import check_positive_int
from keras_musictag.errors import ConfigError

# Added to the attention of positions that are neighbours only because of the shift.
APART = -100.0
LARGEST = 2**26  # pairs of positions in all windows of an image


@keras.saving.register_keras_serializable(package="keras_musictag")
class ShiftedWindowBlock(layers.Layer):
    """One block of a Swin transformer: attention inside square windows of an image.

    The image is cut into windows; the positions of each look at one another, with a
    weight for every distance in rows and columns. With a `shift` the windows lie
    elsewhere than in the block before, across its borders; what the shift brings
    together from opposite edges of the image stays apart. The result is added to the
    input, and to that sum two dense layers with a GELU between them; both are
    normalised before.

    Args:
        num_heads: Attention heads; must divide the channels of the input.
        window_size: Rows and columns of a window; must divide those of the image.
        shift: By how many rows and columns the windows are moved; ignored where one
            window is as large as the image.
        expansion: How many times the channels the first dense layer has.
        query_key_value_bias: Whether queries, keys and values have biases.
        dropout: Rate before the last sum.
        attention_dropout: Rate on the attention weights and before the first sum.
        epsilon: Added to the variance by the layer normalisations.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(batch, rows, columns, channels)`.

    Output: the shape of the input.

    Raises:
        ConfigError: If `num_heads` does not divide the channels, or `window_size` not
            the rows and columns.

    References:
        - Liu et al., "Swin transformer: hierarchical vision transformer using shifted
          windows", ICCV 2021.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import ShiftedWindowBlock

    x = np.random.default_rng(0).normal(size=(2, 16, 16, 32)).astype("float32")
    print(ShiftedWindowBlock(num_heads=4, window_size=8, shift=4)(x).shape)
    ```
    """

    def __init__(
        self,
        num_heads,
        window_size=8,
        shift=0,
        expansion=4.0,
        query_key_value_bias=True,
        dropout=0.0,
        attention_dropout=0.0,
        epsilon=1e-5,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = check_positive_int(num_heads, name="num_heads")
        self.window_size = check_positive_int(window_size, name="window_size")
        self.shift = shift
        self.expansion = expansion
        self.query_key_value_bias = query_key_value_bias
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.epsilon = epsilon

    def build(self, input_shape):
        _, rows, columns, channels = input_shape
        self._check(rows, columns, channels)
        shifted = self.shift if min(rows, columns) > self.window_size else 0
        self._rolled = shifted
        self._apart = _apart(rows, columns, self.window_size, shifted)
        self._distances = _distances(self.window_size)
        common = {"dtype": self.dtype_policy}
        norm = {"epsilon": self.epsilon, **common}
        hidden = int(self.expansion * channels)
        self.attention_norm = layers.LayerNormalization(name="attention_norm", **norm)
        self.query_key_value = layers.Dense(
            3 * channels,
            use_bias=self.query_key_value_bias,
            name="query_key_value",
            **common,
        )
        self.merge = layers.Dense(channels, name="merge", **common)
        self.dense_norm = layers.LayerNormalization(name="dense_norm", **norm)
        # Keras' activation of this name is the exact form.
        self.widen = layers.Dense(hidden, "gelu", name="widen", **common)
        self.narrow = layers.Dense(channels, name="narrow", **common)
        self.drop = layers.Dropout(self.dropout, name="drop", **common)
        self.attention_drop = layers.Dropout(
            self.attention_dropout, name="attention_drop", **common
        )
        flat = (None, None, channels)
        for layer in (self.attention_norm, self.query_key_value, self.merge):
            layer.build(flat)
        for layer in (self.dense_norm, self.widen):
            layer.build(flat)
        self.narrow.build((None, None, hidden))
        self.distance_bias = self.add_weight(
            shape=((2 * self.window_size - 1) ** 2, self.num_heads),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="distance_bias",
        )
        self.built = True

    def _check(self, rows, columns, channels) -> None:
        if rows and columns and rows * columns * self.window_size**2 > LARGEST:
            raise ConfigError(
                "The windows are too large for attention within them.",
                received=f"window_size={self.window_size}, {rows} rows, "
                f"{columns} columns",
                advice="Use smaller windows, or a smaller image.",
            )
        if channels % self.num_heads:
            raise ConfigError(
                "`num_heads` must divide the channels of the input.",
                received=f"num_heads={self.num_heads}, {channels} channels",
                advice="Choose another number of heads or channels.",
            )
        if (
            not rows
            or not columns
            or rows % self.window_size + columns % self.window_size
        ):
            raise ConfigError(
                "`window_size` must divide the rows and columns of the image.",
                received=f"window_size={self.window_size}, {rows} rows, "
                f"{columns} columns",
                advice="Choose another window, or another size of the image.",
            )

    def call(self, x, training=None):
        y = self._attend(self.attention_norm(x), training)
        x = x + self.attention_drop(y, training=training)
        y = self.narrow(self.widen(self.dense_norm(x)))
        return x + self.drop(y, training=training)

    def _attend(self, x, training):
        """Attention within the windows of `(batch, rows, columns, channels)`."""
        _, rows, columns, channels = x.shape
        size, heads = self.window_size, self.num_heads
        positions, windows = size**2, rows * columns // size**2
        x = _roll(x, -self._rolled)
        grid = (-1, rows // size, size, columns // size, size, channels)
        x = ops.transpose(ops.reshape(x, grid), (0, 1, 3, 2, 4, 5))
        x = self.query_key_value(ops.reshape(x, (-1, positions, channels)))
        x = ops.reshape(x, (-1, positions, 3, heads, channels // heads))
        query, key, value = (ops.transpose(x[:, :, i], (0, 2, 1, 3)) for i in range(3))
        query = query * (channels // heads) ** -0.5
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        each = (-1, windows, heads, positions, positions)
        scores = ops.reshape(scores, each) + ops.cast(self._bias(), scores.dtype)
        weights = self.attention_drop(ops.softmax(scores), training=training)
        x = ops.matmul(ops.reshape(weights, (-1, *each[2:])), value)
        x = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, positions, channels))
        grid = (-1, rows // size, columns // size, size, size, channels)
        x = ops.transpose(ops.reshape(self.merge(x), grid), (0, 1, 3, 2, 4, 5))
        return _roll(ops.reshape(x, (-1, rows, columns, channels)), self._rolled)

    def _bias(self):
        """What is added to scores, `(1 or windows, heads, positions, positions)`."""
        places = ops.convert_to_tensor(self._distances.reshape(-1))
        bias = ops.take(self.distance_bias, places, axis=0)
        bias = ops.reshape(bias, (*self._distances.shape, self.num_heads))
        bias = ops.expand_dims(ops.transpose(bias, (2, 0, 1)), 0)
        if self._apart is None:
            return bias
        return bias + ops.cast(ops.convert_to_tensor(self._apart), bias.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "window_size": self.window_size,
            "shift": self.shift,
            "expansion": self.expansion,
            "query_key_value_bias": self.query_key_value_bias,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "epsilon": self.epsilon,
        }


@keras.saving.register_keras_serializable(package="keras_musictag")
class PatchMerging(layers.Layer):
    """Make an image half as high and half as wide, with twice the channels.

    The channels of two by two neighbours are put side by side, normalised and brought
    to half by a dense layer.

    Args:
        epsilon: Added to the variance by the layer normalisation.
        **kwargs: `name`, `trainable`, `dtype`.

    Input: `(batch, rows, columns, channels)`; rows and columns even.

    Output: `(batch, rows / 2, columns / 2, 2 * channels)`.

    Raises:
        ConfigError: If rows or columns are odd.

    References:
        - Liu et al., "Swin transformer: hierarchical vision transformer using shifted
          windows", ICCV 2021.

    Example:

    ```python
    import numpy as np
    from keras_musictag.layers import PatchMerging

    print(PatchMerging()(np.zeros((1, 16, 16, 32), "float32")).shape)  # (1, 8, 8, 64)
    ```
    """

    def __init__(self, epsilon=1e-5, **kwargs) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        _, rows, columns, channels = input_shape
        if not rows or not columns or rows % 2 + columns % 2:
            raise ConfigError(
                "Only an image with even rows and columns can be halved.",
                received=f"{rows} rows, {columns} columns",
                advice="Choose another size of the image, or fewer stages.",
            )
        common = {"dtype": self.dtype_policy}
        self.norm = layers.LayerNormalization(
            epsilon=self.epsilon, name="norm", **common
        )
        self.reduce = layers.Dense(
            2 * channels, use_bias=False, name="reduce", **common
        )
        for layer in (self.norm, self.reduce):
            layer.build((None, None, None, 4 * channels))
        self.built = True

    def call(self, x):
        # Rows go first: (0, 0), (1, 0), (0, 1), (1, 1).
        parts = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduce(self.norm(ops.concatenate(parts, axis=-1)))

    def compute_output_shape(self, input_shape):
        batch, rows, columns, channels = input_shape
        return (batch, rows // 2, columns // 2, 2 * channels)

    def get_config(self) -> dict:
        return {**super().get_config(), "epsilon": self.epsilon}


def _roll(x, shift: int):
    """Move rows and columns round by `shift`."""
    if not shift:
        return x
    return ops.roll(ops.roll(x, shift, axis=1), shift, axis=2)


def _distances(size: int) -> np.ndarray:
    """Number of the distance of each two positions of a window, int32.

    Returns:
        Shape `(size ** 2, size ** 2)`; rows count `2 * size - 1` times as much as
        columns.
    """
    row, column = np.divmod(np.arange(size**2), size)
    rows = row[:, None] - row + size - 1
    columns = column[:, None] - column + size - 1
    return (rows * (2 * size - 1) + columns).astype("int32")


def _apart(rows: int, columns: int, size: int, shift: int) -> np.ndarray | None:
    """What keeps opposite edges apart, `(windows, 1, size ** 2, size ** 2)`."""
    if not shift:
        return None

    def part(length):
        return np.searchsorted(
            [length - size, length - shift], np.arange(length), "right"
        )

    region = 3 * part(rows)[:, None] + part(columns)
    region = region.reshape(rows // size, size, columns // size, size)
    region = region.transpose(0, 2, 1, 3).reshape(-1, 1, size**2)
    apart = region != region.transpose(0, 2, 1)
    return np.where(apart, APART, 0.0).astype("float32")[:, None]
