"""Figures of their own, without pyplot."""


def new_axes(n_rows: int):
    """Return axes on a new figure, high enough for so many rows."""
    from matplotlib.figure import Figure

    # A Figure of its own, not pyplot's: no global state, no display needed.
    figure = Figure(figsize=(9, 1.2 + 0.28 * n_rows), layout="constrained")
    return figure.add_subplot()
