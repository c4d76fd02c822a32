"""Parts of all HTML pages: the filling of templates, the common style and embedded pictures."""

from __future__ import annotations

from base64 import b64encode
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template
from PIL import Image

LARGEST_PICTURE = 2400  # pixels; largest width and height
QUALITY = 90  # of WebP pictures


def template(package: str, name: str, base: str = "") -> Template:
    """Return an HTML template. It escapes HTML in every value.

    Args:
        package: Package that contains the template, such as "dmad.report".
        name: File name of the template.
        base: Package of the template that this template extends. Empty: the same package.
    """
    roots = [one.partition(".") for one in (package, base) if one]
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(root, folder) for root, _, folder in roots]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def text_of(package: str, name: str) -> str:
    """Return the text of a file of a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def page_style() -> str:
    """Return the style that all pages have in common: colours, text, buttons and curves."""
    return text_of("dmad.drawing", "page.css")


def embedded_picture(image: np.ndarray, largest: int = LARGEST_PICTURE) -> dict[str, Any]:
    """Return an image (H, W, 3) uint8 as a data URL, with its width and height in pixels.

    If the width or height is above `largest` pixels, the image is made smaller.
    """
    picture = Image.fromarray(np.ascontiguousarray(image, np.uint8))
    picture.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    file = BytesIO()
    picture.save(file, format="WebP", quality=QUALITY, method=4)
    source = "data:image/webp;base64," + b64encode(file.getvalue()).decode()
    return {"source": source, "width": picture.width, "height": picture.height}
