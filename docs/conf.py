"""Settings of the documentation site, which scripts/docs builds."""

import json
import shutil
from pathlib import Path

from sphinx.application import Sphinx

from dasksom import __version__
from dasksom.provenance.run_record import summary_schema

PROJECT = Path(__file__).parents[1]
EXAMPLES = Path(__file__).parent / "examples"
FILES = Path(__file__).parent / "files"

project = "dasksom"
author = "The dasksom developers"
copyright = author
version = release = __version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_click",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "files"]
smartquotes = False  # -- is the start of an option
myst_heading_anchors = 4
nb_execution_mode = "off"  # scripts/notebook.py executes them, and the tests compare
nb_merge_streams = True
autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say it, with shapes and units
nitpick_ignore_regex = [("py:.*", r"(dask|numpy|sklearn)\..*")]  # their pages are elsewhere
numpydoc_show_class_members = False
copybutton_exclude = ".linenos, .gp, .go"
suppress_warnings = ["myst.header"]

html_theme = "pydata_sphinx_theme"
html_title = f"dasksom {version}"
html_static_path = ["static"]
html_extra_path = ["files"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_sidebars = {"install": []}  # a section of one page
html_domain_indices = False
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def copy_examples() -> None:
    """Copy examples/ next to the pages: Sphinx reads no files outside of its folder."""
    EXAMPLES.mkdir(exist_ok=True)
    for path in (PROJECT / "examples").iterdir():
        if path.suffix in (".py", ".ipynb"):
            shutil.copy(path, EXAMPLES)
    page = (PROJECT / "examples" / "README.md").read_text().replace("](../docs/", "](../")
    (EXAMPLES / "README.md").write_text(page)


copy_examples()
FILES.mkdir(exist_ok=True)
(FILES / "summary.schema.json").write_text(json.dumps(summary_schema(), indent=1))


def link_copies(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Let links to examples/ lead to the copies."""
    source[0] = source[0].replace("](../examples/", "](examples/")


def escape_stars(_app: Sphinx, _context: object, lines: list[str]) -> None:
    """Keep the stars of L*a*b* and of file patterns in the help of commands."""
    lines[:] = [line.replace("*", r"\*") for line in lines]


def setup(app: Sphinx) -> None:
    """Register what changes pages as they are read."""
    app.connect("source-read", link_copies)
    for kind in ("description", "options"):
        app.connect(f"sphinx-click-process-{kind}", escape_stars)
