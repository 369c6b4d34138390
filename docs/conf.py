"""How the documentation is built: ``sphinx-build -W --keep-going -n -b html docs build/docs``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import relive

project = "relive"
author = "The relive authors"
copyright = "The relive authors"  # noqa: A001 - Sphinx calls it that
version = release = relive.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "relive_docs.extension"]
exclude_patterns = ["_ext", "pictures", "examples"]
nitpicky = True
smartquotes_action = "D"  # dashes; quotation marks stay as they are written
default_role = "named"

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3
myst_url_schemes = {"http": None, "https": None, "mailto": None, "source": None}

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_type_aliases = {
    "Classify": "relive.core.policy.Classify",
    "ClientFactory": "relive.transports.genai.ClientFactory",
    "Config": "relive.transports.genai.Config",
    "Judgement": "relive.core.closes.Judgement",
    "Level": "relive.testing.simulation.outcome.Level",
    "Opening": "relive.ports.Opening",
    "Origin": "relive.core.closes.Origin",
    "Phase": "relive.core.closes.Phase",
    "Seed": "relive.Seed",
    "State": "relive.State",
}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 120

html_theme = "furo"
html_title = "relive"
html_static_path = ["_static"]
html_css_files = ["relive.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "monokai"
