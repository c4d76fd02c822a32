"""The textures of the demo are good tiles and tiles with defects, in the layout of MVTec AD."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dmad.config import ImageDataConfig
from dmad.data.layouts.images import find_images
from dmad.data.synthetic.textures import SIDE, TESTED, TEXTURES, write_textures


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_textures(tmp_path_factory.mktemp("textures"))


@pytest.mark.parametrize("name", TEXTURES)
def test_each_texture_is_a_category(root: Path, name: str) -> None:
    data = ImageDataConfig(root=root, layout="mvtec", categories=name)
    train, test = (find_images(data, root / name, split).files for split in ("train", "test"))
    assert len(train) == 64 - TESTED
    assert [file.kind for file in test].count("normal") == TESTED
    assert sum(bool(file.masks) for file in test) == 3 * TESTED


def test_no_tile_is_both_trained_on_and_tested(root: Path) -> None:
    def tiles(part: str) -> set[bytes]:
        files = (root / "brick" / part / "good").iterdir()
        return {np.asarray(Image.open(file)).tobytes() for file in files}

    assert len(tiles("train") | tiles("test")) == 64
    assert not tiles("train") & tiles("test")


@pytest.mark.parametrize("name", TEXTURES)
@pytest.mark.parametrize("kind", ["scratch", "spot", "stain"])
def test_each_defect_is_clearly_visible_inside_its_mask(root: Path, name: str, kind: str) -> None:
    for index in range(TESTED):
        good, bad = (
            np.asarray(Image.open(root / f"{name}/test/{folder}/{index:03}.png"), int)
            for folder in ("good", kind)
        )
        mask = np.asarray(Image.open(root / f"{name}/ground_truth/{kind}/{index:03}_mask.png")) > 0
        change = np.abs(good - bad).max(-1)
        assert mask.shape == (SIDE, SIDE)
        assert 0.01 < mask.mean() < 0.35
        assert change[mask].mean() > 20
        assert not change[~mask].any()
