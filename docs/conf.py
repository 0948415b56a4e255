"""How the site is built: `sphinx-build -W -n docs docs/_build`."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))
# Tutorials run in kernels that inherit these.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")

project = "keras-musictag"
author = "The keras_musictag authors"
copyright = author

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_design",
    "api_pages",
    "keras_docstrings",
]
exclude_patterns = ["_build", "jupyter_execute"]  # myst-nb leaves the latter
templates_path = ["_templates"]
highlight_language = "python"

# === Pages and tutorials ===

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "auto"  # Markdown notebooks hold no outputs: always run
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_output_stderr = "remove"
nb_merge_streams = True

# === Reference ===

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
add_module_names = False
toc_object_entries_show_parents = "hide"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Call", "Input", "Output", "Input and output"]

nitpicky = True
# Types of other packages: their pages are not ours, and nothing is fetched to find
# them.
nitpick_ignore_regex = [
    # What programs that cut tracks themselves are given; described where it is made.
    (
        "py:class",
        r"keras_musictag\.(tracks\.inference\.(MeanBatcher|Chunk|TrackOutput)"
        r"|engines\.(whole_track\.Segment|beat_networks\.RecurrentWeights))",
    ),
    (r"py:class", r"(collections|keras|numpy|os|pathlib|typing)\..*"),
]

# === Theme ===

html_theme = "pydata_sphinx_theme"
html_title = "keras-musictag"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
# Pages without neighbours, and tables that need the room.
html_sidebars = {"index": [], "models": [], "benchmarks": [], "coming_from": []}
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "collapse_navigation": True,
    "navigation_depth": 3,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": [], "models": []},
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
