"""A linear-chain conditional random field: scores of whole sequences of classes."""

import keras
from keras import ops

from keras_musictag.checks import check_choice
from keras_musictag.errors import ConfigError

OUTPUTS = ("marginals", "scores")
# Added to what may not be: its exponential is exactly 0, and it stays finite.
FORBIDDEN = -1e9


@keras.saving.register_keras_serializable(package="keras_musictag")
class LinearChainCRF(keras.layers.Layer):
    """Score sequences of classes by frames, by changes, and by their two ends.

    A sequence `c` has the score
    `start[c_1] + sum_t scores[t, c_t] + sum_t transitions[c_t, c_t+1] + end[c_T]`,
    and its probability is the exponential of that over the sum for all sequences. The
    layer learns `transitions`, `start` and `end`; the scores of frames come from the
    layers before it. All sums run in log space, in float32 whatever the dtype policy.

    There are two ways to train it. With `output="scores"` and `loss=layer.loss` the
    whole sequence is learnt; the layer then hands its input through, and
    `layer.decode` or `layer.marginals` follows in use. With `output="marginals"` it
    gives probabilities that any loss of Keras takes. On TensorFlow it trains without
    XLA: leave `jit_compile` at `"auto"`.

    Args:
        output: What a call gives. `"marginals"`: for each frame the probability of
            each class, all sequences considered. `"scores"`: the input in float32.
        transition_initializer: First values of `transitions`. `"identity"` makes
            classes stay from the start.
        **kwargs: `name`, `trainable`. A `dtype` is accepted and has no effect.

    Input: scores of shape `(batch, frames, classes)`: logits or log probabilities. A
        mask `(batch, frames)` leaves frames out, wherever they are, as if the
        sequence did not have them.

    Output: float32 of shape `(batch, frames, classes)`. Marginals are 0 in frames
        that are left out.

    Raises:
        ConfigError: If an argument or the rank of the input cannot work.

    References:
        - Lafferty, McCallum and Pereira, "Conditional random fields: probabilistic
          models for segmenting and labeling sequence data", ICML 2001.
        - Korzeniowski and Widmer, "A fully convolutional deep auditory model for
          musical chord recognition", MLSP 2016.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_musictag.layers import LinearChainCRF

    inputs = keras.Input((None, 12))
    crf = LinearChainCRF(output="scores")
    model = keras.Model(inputs, crf(keras.layers.Dense(25)(inputs)))
    model.compile("adam", loss=crf.loss)
    x = np.random.default_rng(0).normal(size=(4, 50, 12)).astype("float32")
    model.fit(x, np.zeros((4, 50), "int32"), verbose=0)
    print(crf.decode(model.predict(x, verbose=0)).shape)  # (4, 50)
    ```
    """

    def __init__(
        self, output="marginals", *, transition_initializer="zeros", **kwargs
    ) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(autocast=False, **kwargs)
        self.output_kind = check_choice(output, OUTPUTS, name="output")
        self.transition_initializer = keras.initializers.get(transition_initializer)
        self.supports_masking = True
        # XLA has no gradient for the loop that `ops.scan` becomes on TensorFlow; with
        # this, `jit_compile="auto"` leaves XLA out there.
        self.supports_jit = keras.backend.backend() != "tensorflow"

    def build(self, input_shape):
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ConfigError(
                "A linear-chain CRF needs one score for each frame and class.",
                received=f"shape {tuple(input_shape)}",
                advice="Give (batch, frames, classes) with a fixed number of classes.",
            )
        n = input_shape[-1]
        self.transitions = self.add_weight(
            shape=(n, n), initializer=self.transition_initializer, name="transitions"
        )
        self.start = self.add_weight(shape=(n,), initializer="zeros", name="start")
        self.end = self.add_weight(shape=(n,), initializer="zeros", name="end")
        self.built = True

    def call(self, scores, mask=None):
        if self.output_kind == "scores":
            return ops.cast(scores, "float32")
        return self.marginals(scores, mask)

    def compute_mask(self, inputs, previous_mask):
        # `loss` gives one number per sequence; Keras would weigh it by the frames.
        return None if self.output_kind == "scores" else previous_mask

    def marginals(self, scores, mask=None):
        """Give the probability of each class in each frame.

        Args:
            scores: Tensor `(batch, frames, classes)`.
            mask: bool tensor `(batch, frames)`, `False` for frames left out; `None`
                for none.

        Returns:
            float32 tensor `(batch, frames, classes)`.
        """
        scores, mask = self._prepare(scores, mask)
        transitions = ops.convert_to_tensor(self.transitions)
        before = _forward(scores, mask, transitions, self.start)
        # The same from the other end, with the changes the other way round.
        after = _forward(
            ops.flip(scores, axis=1),
            ops.flip(mask, axis=1),
            ops.transpose(transitions),
            self.end,
        )
        # A frame's own score stands in both.
        total = before + ops.flip(after, axis=1) - scores
        return ops.softmax(total, axis=-1) * ops.cast(mask[:, :, None], "float32")

    def log_partition(self, scores, mask=None):
        """Give the logarithm of the sum over all sequences of the exponential score.

        Args:
            scores, mask: As for `marginals`.

        Returns:
            float32 tensor `(batch,)`.
        """
        scores, mask = self._prepare(scores, mask)
        return self._log_sum(scores, mask)

    def negative_log_likelihood(self, scores, targets, mask=None):
        """Give minus the log probability of the targets.

        Args:
            scores: Tensor `(batch, frames, classes)`.
            targets: int tensor `(batch, frames)` of classes; frames with a negative
                one are left out. Or a bool tensor `(batch, frames, classes)` of
                classes that may be right, at least one in each frame: the
                likelihood is then that of all sequences that agree with it.
            mask: As for `marginals`.

        Returns:
            float32 tensor `(batch,)`, 0 or more; 0 where no frame counts.
        """
        scores, mask = self._prepare(scores, mask)
        targets = ops.convert_to_tensor(targets)
        allowed, counted = _allowed(targets, scores.shape[-1])
        mask = ops.logical_and(mask, counted)
        agreeing = ops.where(allowed, scores, FORBIDDEN)
        return self._log_sum(scores, mask) - self._log_sum(agreeing, mask)

    def loss(self, targets, scores):
        """Give the loss for `model.compile`; the layer's output must be `"scores"`.

        Args:
            targets: As for `negative_log_likelihood`. Padded frames need a negative
                target, because a loss does not see the mask.
            scores: The layer's output.

        Returns:
            float32 tensor `(batch,)`: `negative_log_likelihood` over the number of
            frames that count.
        """
        targets = ops.convert_to_tensor(targets)
        _, counted = _allowed(targets, scores.shape[-1])
        frames = ops.sum(ops.cast(counted, "float32"), axis=1)
        return self.negative_log_likelihood(scores, targets) / ops.maximum(frames, 1.0)

    def decode(self, scores, mask=None):
        """Find the sequence of highest score (Viterbi).

        Args:
            scores, mask: As for `marginals`.

        Returns:
            int32 tensor `(batch, frames)` of classes, -1 in frames left out.
        """
        scores, mask = self._prepare(scores, mask)
        transitions = ops.convert_to_tensor(self.transitions)
        start = ops.convert_to_tensor(self.start)
        itself = ops.zeros_like(scores[:, 0], dtype="int32")
        itself = itself + ops.arange(scores.shape[-1], dtype="int32")

        def step(carry, frame):
            best, started, _ = carry
            score, valid = frame
            candidates = best[:, :, None] + transitions
            moved = ops.where(started, ops.max(candidates, axis=1), start) + score
            source = ops.cast(ops.argmax(candidates, axis=1), "int32")
            source = ops.where(ops.logical_and(valid, started), source, itself)
            best = ops.where(valid, moved, best)
            carry = best, ops.logical_or(started, valid), source
            return carry, carry

        def follow(state, source):
            before = ops.take_along_axis(source, state[:, None], axis=1)[:, 0]
            return before, state

        first = ops.zeros_like(scores[:, 0]), ops.zeros_like(mask[:, :1]), itself
        (best, _, _), (_, _, sources) = ops.scan(step, first, _by_time(scores, mask))
        last = ops.cast(ops.argmax(best + self.end, axis=-1), "int32")
        _, path = ops.scan(follow, last, sources, reverse=True)
        return ops.where(mask, ops.transpose(path), -1)

    def _log_sum(self, scores, mask):
        last = _forward(scores, mask, self.transitions, self.start)[:, -1]
        return ops.logsumexp(last + self.end, axis=-1)

    def _prepare(self, scores, mask):
        scores = ops.cast(scores, "float32")
        if not self.built:
            self.build(scores.shape)
        if mask is None:
            return scores, ops.ones_like(scores[:, :, 0], dtype="bool")
        return scores, ops.cast(mask, "bool")

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self) -> dict:
        initializer = keras.initializers.serialize(self.transition_initializer)
        return {
            **super().get_config(),
            "output": self.output_kind,
            "transition_initializer": initializer,
        }


def _forward(scores, mask, transitions, start):
    """Sum in log space over all sequences that end in each frame and class."""
    transitions = ops.convert_to_tensor(transitions)
    start = ops.convert_to_tensor(start)

    def step(carry, frame):
        sums, started = carry
        score, valid = frame
        moved = ops.logsumexp(sums[:, :, None] + transitions, axis=1)
        entered = ops.where(started, moved, start) + score
        carry = ops.where(valid, entered, sums), ops.logical_or(started, valid)
        return carry, carry

    first = ops.zeros_like(scores[:, 0]), ops.zeros_like(mask[:, :1])
    _, (sums, _) = ops.scan(step, first, _by_time(scores, mask))
    return ops.transpose(sums, (1, 0, 2))


def _by_time(scores, mask):
    return ops.transpose(scores, (1, 0, 2)), ops.transpose(mask)[:, :, None]


def _allowed(targets, classes):
    """Which classes may be right, and which frames count."""
    if len(targets.shape) == 3:
        return ops.cast(targets, "bool"), ops.ones_like(targets[:, :, 0], dtype="bool")
    targets = ops.cast(targets, "int32")
    allowed = ops.equal(targets[:, :, None], ops.arange(classes, dtype="int32"))
    return allowed, ops.greater_equal(targets, 0)
