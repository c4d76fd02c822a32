import re
from collections.abc import Iterator

import numpy as np

from dmad.drawing import page


def test_large_pictures_are_shrunk() -> None:
    wide = page.embedded_picture(np.zeros((100, 4 * page.LARGEST_PICTURE, 3), np.uint8))
    assert (wide["width"], wide["height"]) == (page.LARGEST_PICTURE, 25)


def colours(css: str) -> Iterator[dict[str, str]]:
    light, dark = (
        dict(re.findall(r"--([a-z]+): (#\w{6});", part)) for part in css.split("@media")[:2]
    )
    yield from (light, dark)


def luminance(colour: str) -> float:
    channels = np.array(list(bytes.fromhex(colour[1:]))) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a: str, b: str) -> float:
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def test_text_and_lines_have_enough_contrast_in_both_colour_schemes() -> None:
    for scheme in colours(page.page_style()):
        for ground in ("paper", "wash"):
            for text in ("ink", "soft", "link"):
                assert contrast(scheme[text], scheme[ground]) >= 4.5, (text, ground)
            for mark in ("score", "threshold", "reconstruction", "deformation", "truth", "found"):
                assert contrast(scheme[mark], scheme[ground]) >= 3, (mark, ground)
