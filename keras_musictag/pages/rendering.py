"""Templates to text, pictures to text."""

import base64
import io
from pathlib import Path


def render(template: str, feature: str, **values) -> str:
    """Fill one of the templates beside this file.

    Args:
        template: Its file name.
        feature: What it is for, for the error if Jinja is not installed.
        **values: What the template names. Text is escaped; nothing in a file's name
            or tags becomes HTML.

    Returns:
        The page.

    Raises:
        MissingExtraError: If Jinja is not installed.
    """
    from keras_musictag.errors import import_extra

    jinja2 = import_extra("jinja2", "pages", feature)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template).render(**values)


def data_uri(figure, dpi: int = 144) -> str:
    """Return a matplotlib figure as the address of a PNG that stands in the page."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
