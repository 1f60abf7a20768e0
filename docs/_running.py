"""A Sphinx extension: Markdown whose Python runs as the site is built, and formulas in MathML.

MathML is drawn by the browser itself, so that no page loads a script from another host.
"""

import re

from docutils import nodes
from latex2mathml.converter import convert
from nbformat import NotebookNode, v4

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}


def read(text: str) -> NotebookNode:
    """Return a page as a notebook for myst-nb: each block marked python is a cell."""
    parts = re.split(r"^```python\n(.*?)^```$", text, flags=re.M | re.S)
    kinds = (v4.new_markdown_cell, v4.new_code_cell)
    cells = [kinds[i % 2](part.strip("\n")) for i, part in enumerate(parts) if part.strip()]
    return v4.new_notebook(cells=cells, metadata=KERNEL)


def _visitor(display):
    def visit(translator, node):
        formula = convert(node.astext(), display=display)
        translator.body.append(f"<p>{formula}</p>" if display == "block" else formula)
        raise nodes.SkipNode

    return visit, None


def _signature(app, what, name, found, options, signature, returned):
    """Drop the slash that is left of a compiled method's own argument."""
    return (signature or "").replace("(/, ", "(") or signature, returned


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-signature", _signature)
    app.add_html_math_renderer("mathml", _visitor("inline"), _visitor("block"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
