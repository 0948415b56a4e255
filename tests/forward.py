"""What a layer or model computes, without waiting for each operation on JAX."""

import keras


def forward(model, x, **arguments):
    """Call a layer or model.

    JAX compiles it as a whole: of an eager call it would compile every operation by
    itself, which takes several times as long.

    Args:
        model: A layer or model.
        x: Its input.
        **arguments: Further ones of the call.

    Returns:
        What the call returns, tensors of the backend.
    """
    if keras.backend.backend() != "jax":
        return model(x, **arguments)
    import jax

    if not model.built:  # or its weights would be those of one compilation
        model.build(x.shape)

    def call(values, x):
        state = list(zip(model.variables, values, strict=True))
        with keras.StatelessScope(state_mapping=state):
            return model(x, **arguments)

    return jax.jit(call)([v.value for v in model.variables], x)
