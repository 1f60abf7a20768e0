"""The documentation's settings: sphinx-build -W -b html docs build/docs."""

import warnings

import featherweight

project = "featherweight"
copyright = "the developers of featherweight"
version = release = featherweight.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["README.md", "tutorial"]
myst_heading_anchors = 3
templates_path = ["_templates"]

html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_prev_next": True, "navigation_with_keys": False}
html_title = "featherweight"

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say it better
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
sphinx_gallery_conf = {
    "examples_dirs": "tutorial",
    "gallery_dirs": "story",
    "filename_pattern": "/plot_",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "capture_repr": (),
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "plot_gallery": "True",
}
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
