import numpy as np
import pytest

from dmad.data.synthetic.street import Street, background
from dmad.watch.scene_template import SceneTemplate, details, fading_window, tiles, to_grey

STREET = background(Street(size=64))


@pytest.fixture
def scene() -> SceneTemplate:
    return SceneTemplate(STREET)


def noisy(image: np.ndarray) -> np.ndarray:
    return image + np.random.default_rng(0).normal(0, 1.5, image.shape)


def details_of(image: np.ndarray) -> np.ndarray:
    return details(to_grey(image))


def test_the_scene_itself_is_neither_moved_nor_covered(scene):
    assert not scene.has_moved(details_of(noisy(STREET)))
    assert not scene.is_covered(details_of(noisy(STREET)))


@pytest.mark.parametrize("axis", [0, 1])
def test_a_shifted_scene_has_moved(scene, axis):
    assert scene.has_moved(details_of(noisy(np.roll(STREET, 20, axis))))
    assert not scene.has_moved(details_of(noisy(np.roll(STREET, 1, axis))))


def test_a_grey_cover_hides_the_scene(scene):
    cover = details_of(noisy(np.full_like(STREET, 90)))
    assert scene.is_covered(cover)
    assert not scene.has_moved(cover)


def test_a_scene_without_texture_cannot_be_covered():
    assert not SceneTemplate(np.full_like(STREET, 90)).is_covered(details_of(noisy(STREET)))


@pytest.mark.parametrize(("level", "dark"), [(20, True), (90, False)])
def test_a_dark_scene_is_known(level, dark):
    assert SceneTemplate(np.full((64, 64, 1), level, np.uint8)).is_dark is dark


def test_large_frames_are_made_smaller_and_colour_is_grey():
    frame = np.zeros((480, 480, 3), np.uint8)
    frame[..., 0] = 90
    grey = to_grey(frame)
    assert grey.shape == (160, 160)
    assert (grey == 30).all()


def test_tiles_are_eight_on_a_side():
    image = np.arange(16 * 16).reshape(16, 16)
    np.testing.assert_array_equal(tiles(image)[3, :, 5], image[6:8, 10:12])


def test_the_window_fades_at_the_borders_alone():
    window = fading_window(64)
    assert window[0].max() < 0.02
    assert (window[8:-8, 8:-8] == 1).all()
