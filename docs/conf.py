"""The documentation's settings: sphinx-build -W -b html docs build/docs."""

import os
import sys
import warnings
from pathlib import Path

import featherweight

sys.path.insert(0, str(Path(__file__).parent))  # for _running
# for the pages' code, which runs in processes of its own, as a page may run a script of bench/
bench = str(Path(__file__).resolve().parents[1] / "bench")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (bench, os.environ.get("PYTHONPATH"))))
# among what the pages' code prints no progress bars, nor tqdm's wish for notebook widgets
os.environ["TQDM_DISABLE"] = "1"
os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"

project = "featherweight"
copyright = "the developers of featherweight"
version = release = featherweight.__version__

extensions = [
    "_running",
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["README.md", "tutorial", "story/*.ipynb"]
myst_heading_anchors = 3
templates_path = ["_templates"]

nb_custom_formats = {".md": "_running.read"}
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 120  # seconds for one block
nb_execution_raise_on_error = True
nb_merge_streams = True

html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    # elsewhere there are few headings, and lines of code that need the room
    "secondary_sidebar_items": {"api": ["page-toc"], "reference/*": ["page-toc"]},
}
html_sidebars = {"index": []}
html_title = "featherweight"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]

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
