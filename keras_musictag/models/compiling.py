"""Compiling with what fits a model, unless the user says otherwise."""

from typing import Any

import keras


class DefaultCompiling(keras.Model):
    """A Keras model that compiles itself: what is left out follows its problem type."""

    def default_compile(self) -> dict:
        """Return the `compile` arguments that fit this model's problem type."""
        raise TypeError(f"{type(self).__name__} has no default loss; call compile().")

    def compile(self, optimizer=None, loss=None, metrics=None, **kwargs) -> None:
        """Configure training; what is left out follows the problem type.

        Args:
            optimizer: A Keras optimizer; Adam with 1e-3 if `None`.
            loss: A Keras loss; the one of the problem type if `None`.
            metrics: Keras metrics; those of the problem type if both `loss` and
                `metrics` are `None`.
            **kwargs: Passed to `keras.Model.compile`.
        """
        chosen = {"optimizer": optimizer, "loss": loss, "metrics": metrics}
        if None in (optimizer, loss):
            default = self.default_compile()
            if loss is not None:
                default.pop("metrics")
            for key, value in default.items():
                if chosen[key] is None:
                    chosen[key] = value
        super().compile(**chosen, **kwargs)
        self._jit_choice = kwargs.get("jit_compile", "auto")
        self._by_default = all(v is None for v in (optimizer, loss, metrics))
        self._compiled_trainables = self._trainable_paths()

    def get_compile_config(self) -> Any:
        """Return the compile arguments, `jit_compile` as given by the user."""
        config = super().get_compile_config()
        if config and config.get("jit_compile") is not None:
            # Keras stores what "auto" meant on this machine; others differ.
            config["jit_compile"] = self._jit_choice
        return config

    def _ensure_compiled(self) -> None:
        """Compile by default, again when `trainable` changed since."""
        stale = self.compiled and self._by_default
        stale = stale and self._compiled_trainables != self._trainable_paths()
        if not self.compiled or stale:
            self.compile()

    def _trainable_paths(self) -> tuple[str, ...]:
        return tuple(v.path for v in self.trainable_variables)
