"""How Sphinx makes the pages: the prose from the Markdown here, the reference from docstrings."""

import pathlib
import re

HEADER = pathlib.Path(__file__).resolve().parents[3] / "include" / "cape.h"
numbers = dict(re.findall(r"^#define CAPE_VERSION_(\w+) (\d+)$", HEADER.read_text(), re.M))

project = "libcape"
release = version = "{MAJOR}.{MINOR}.{PATCH}".format_map(numbers)
author = copyright = "the libcape authors"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["requirements.txt"]
html_theme = "furo"
html_title = f"libcape {release} for Python"
html_show_copyright = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "monokai"

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True

# Aliases and type variables, which the text on the parameter explains; what is only passed on; and
# other documentation, which is not fetched.
nitpick_ignore_regex = [
    (r"py:.*", r"((policies|pem|checks)\.)?(Data|Expiry|FunctionLike|PCRs|PEM|PolicyLike|ProgressLike|SerdeHooks|StrPath|TokenLike)"),
    (r"py:.*", r"(serdio\.(lifter|hooks)\.)?(P|R|_T|_Self)"),
    (r"py:.*", r"pycape\.(aio|cape)\.FunctionContext"),
    (r"py:.*", r"(asyncio|datetime|decimal|numpy|os|pathlib|uuid)\..*"),
]
