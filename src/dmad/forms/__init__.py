"""The forms of the model. Each form implements the interface `dmad.form.Form`.

Video (PDM) and images (PPDM) are the forms of the paper. The form `patches` compares the
features of an image with stored features of good images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmad.config import Config
from dmad.errors import DmadError, require
from dmad.form import Form
from dmad.forms.images.form import Images, StillImages
from dmad.forms.patches.form import Patches
from dmad.forms.video.form import Video

if TYPE_CHECKING:
    from torch import nn

FORMS: dict[str, Form[Any, Any]] = {
    "video": Video(),
    "images": Images(),
    "patches": Patches(),
}


def form_of(config: Config, teacher: nn.Module | None = None) -> Form[Any, Any]:
    """Return the form that these settings belong to.

    Args:
        config: The settings.
        teacher: A network to use as teacher instead of the one that the settings name. Only for
            images and patches.

    Raises:
        DmadError: The form in the settings does not exist, or a teacher is given for video.
    """
    require(config.form in FORMS, f"no form is called {config.form!r}; known: {', '.join(FORMS)}")
    form = FORMS[config.form]
    if teacher is None:
        return form
    if not isinstance(form, StillImages):
        raise DmadError(f"a model of {config.form} has no teacher")
    return type(form)(teacher)
