"""The forms of DMAD: video (PDM) and images (PPDM), each behind the interface `dmad.form.Form`."""

from __future__ import annotations

from typing import Any

from dmad.config import Config
from dmad.errors import require
from dmad.form import Form
from dmad.forms.images.form import Images
from dmad.forms.video.form import Video

FORMS: dict[str, Form[Any, Any]] = {"video": Video(), "images": Images()}


def form_of(config: Config) -> Form[Any, Any]:
    """Return the form that these settings belong to."""
    require(config.form in FORMS, f"no form is called {config.form!r}; known: {', '.join(FORMS)}")
    return FORMS[config.form]
