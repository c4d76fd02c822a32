import pytest

from dmad.api import load
from dmad.errors import DmadError
from dmad.predict.predict import predict
from dmad.predict.settings import PredictSettings


def test_a_model_of_video_gets_clips(trained, write_clip, tmp_path):
    clip = write_clip(tmp_path / "clip", 3, 6)
    settings = PredictSettings(panels=0, video=False)
    assert list(predict(load(trained), [clip], tmp_path / "out", settings)) == [
        tmp_path / "out" / "clip"
    ]


def test_a_model_of_images_gets_images(trained_images, image_data, tmp_path):
    images = image_data / "discs/test/spot"
    (folder,) = predict(load(trained_images), [str(images)], tmp_path / "out")
    assert folder == tmp_path / "out"
    assert (folder / "scores.csv").is_file()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"scene": "yard", "fps": 3}, "scene, fps: only for models of video"),
        ({"panels": 2, "video": False}, "panels, video: only for models of video"),
    ],
)
def test_a_model_of_images_takes_no_settings(trained_images, image_data, tmp_path, settings, named):
    settings = PredictSettings(**settings)
    with pytest.raises(DmadError, match=named):
        list(predict(load(trained_images), [image_data], tmp_path, settings))
