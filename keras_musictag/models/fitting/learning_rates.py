"""Another learning rate for each part of a model, whatever the optimizer."""

from collections.abc import Mapping

import keras
from keras import ops

from keras_musictag.checks import check_positive, did_you_mean
from keras_musictag.errors import ConfigError

PARTS = ("frontend", "backbone", "head")


@keras.saving.register_keras_serializable(package="keras_musictag")
class LayerwiseOptimizer(keras.optimizers.Optimizer):
    """Lets another optimizer take its steps, and makes those of some variables longer.

    The step of a variable, weight decay included, is multiplied by its factor: for
    optimizers whose steps are proportional to the learning rate, which is all of
    Keras' but Adafactor, that is another learning rate. Changes of `learning_rate` by
    callbacks and schedules are changes for all variables.

    Args:
        inner: The optimizer.
        factors: Factor by path of the variable; 1 for those not named.
        name: Name of the optimizer.

    Example:

    ```python
    import keras
    import keras_musictag as kmt

    model = kmt.VGGTagger(["calm", "wild"], filters=8)
    factors = {v.path: 0.1 for v in model.backbone.trainable_variables}
    optimizer = kmt.models.learning_rates.LayerwiseOptimizer(
        keras.optimizers.Adam(1e-3), factors
    )
    model.compile(optimizer=optimizer)
    ```
    """

    def __init__(self, inner, factors: Mapping[str, float], name: str | None = None):
        super().__init__(learning_rate=0.0, name=name)
        self.inner = inner
        self.factors = {path: float(factor) for path, factor in factors.items()}

    def build(self, variables):
        """Make the state of the inner optimizer."""
        self.inner.build(variables)
        super().build(variables)

    @property
    def variables(self):
        """State of this optimizer and of the inner one."""
        return self._variables + self.inner.variables

    def apply(self, grads, trainable_variables=None):
        """Take a step."""
        if not self.built:
            self.build(list(trainable_variables))
        moved = self._trainable_variables
        moved = moved if trainable_variables is None else list(trainable_variables)
        before = [
            (variable, ops.copy(variable.value), self.factors[variable.path])
            for variable in moved
            if self.factors.get(variable.path, 1.0) != 1.0
        ]
        self.inner.apply(grads, trainable_variables)
        for variable, old, factor in before:
            step = ops.subtract(variable.value, old)
            variable.assign(ops.add(old, ops.multiply(step, factor)))

    @property
    def learning_rate(self):
        """Of the variables whose factor is 1."""
        return self.inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        self.inner.learning_rate = value

    @property
    def iterations(self):
        """How many steps were taken."""
        return self.inner.iterations

    def scale_loss(self, loss):
        """Scale the loss as the inner optimizer wants it."""
        return self.inner.scale_loss(loss)

    def finalize_variable_values(self, var_list):
        """Let the inner optimizer end its work."""
        self.inner.finalize_variable_values(var_list)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        inner = keras.saving.serialize_keras_object(self.inner)
        return {"inner": inner, "factors": self.factors, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make the optimizer that `get_config` describes."""
        inner = keras.saving.deserialize_keras_object(config["inner"], custom_objects)
        return cls(inner, config["factors"], config.get("name"))


def with_rates(optimizer, rates: Mapping[str, float], model: keras.Model):
    """Return an optimizer with other learning rates for parts of a tagger.

    Args:
        optimizer: A Keras optimizer with a number as its learning rate.
        rates: Learning rate by `"frontend"`, `"backbone"`, `"head"` or the name of a
            layer, which goes before that of the part it lies in.
        model: The tagger.

    Returns:
        A `LayerwiseOptimizer`. What `rates` does not name keeps the rate that
        `optimizer` has.

    Raises:
        ConfigError: If there is no such part or layer, a rate is not above 0, or the
            optimizer follows a schedule.
    """
    if isinstance(optimizer, LayerwiseOptimizer):
        optimizer = optimizer.inner
    config = optimizer.get_config()
    if not isinstance(config.get("learning_rate"), float):
        raise ConfigError(
            "`learning_rates` needs an optimizer with a number as its learning rate.",
            received=type(optimizer).__name__,
            advice="Compile with one such as keras.optimizers.Adam(1e-3), and change "
            "it by keras.callbacks.LearningRateScheduler.",
        )
    own = check_positive(config["learning_rate"], name="learning_rate")
    wanted: dict[str, float] = {}
    # Parts first, so that a layer may differ from its part.
    for name in sorted(rates, key=lambda name: name not in PARTS):
        rate = check_positive(rates[name], name=f"learning_rates[{name!r}]")
        for path in _paths(model, name):
            wanted[path] = rate / own
    return LayerwiseOptimizer(optimizer, wanted)


def _paths(model, name: str) -> list[str]:
    """Return the paths of the variables of a part or layer."""
    if name in PARTS:
        return [v.path for v in getattr(model, name).trainable_variables]
    paths = [v.path for v in model.weights]
    matching = [path for path in paths if name in path.split("/")[:-1]]
    if not matching:
        layers = dict.fromkeys(path.split("/")[0] for path in paths)
        raise ConfigError(
            f"The {type(model).__name__} has no such part or layer with weights.",
            received=f"learning_rates={{{name!r}: ...}}",
            advice=did_you_mean(name, [*PARTS, *layers]),
        )
    return matching
