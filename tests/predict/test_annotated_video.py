import av
import numpy as np
import pytest

from dmad.config import VideoConfig
from dmad.drawing.pictures import LEGEND_HEIGHT
from dmad.forms.video.pictures import ColourScale, Picture
from dmad.predict.annotated_video import AnnotatedVideo


@pytest.fixture
def scale(calibration_of) -> ColourScale:
    return ColourScale(VideoConfig(recipe="video"), calibration=calibration_of(7.0))


def drawn(scale: ColourScale, index: int, calibrated: float = float("nan")) -> Picture:
    grey, empty = np.full((64, 64, 1), 90, np.uint8), np.zeros((64, 64), np.float32)
    return Picture(
        index=index,
        score=0.5,
        frame=grey,
        reference=grey,
        stages=(),
        error=empty,
        heat_map=empty,
        field=np.stack((empty, empty)),
        full_error=1.0,
        scale=scale,
        aspect=1.5,
        time=index / 10,
        calibrated=calibrated,
    )


def frames_in(path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def has_red_border(frame: np.ndarray) -> bool:
    return bool(frame[2, :, 0].mean() - frame[2, :, 1].mean() > 100)


def test_frames_have_the_shape_of_the_clip_and_alarms_a_red_border(scale, tmp_path):
    path = tmp_path / "film.mp4"
    with AnnotatedVideo(path, 10, scale, aspect_ratio=1.5) as film:
        film.add_unscored(np.zeros((64, 64, 1), np.uint8), index=0, time=0.0)
        film.add_scored(drawn(scale, 1, calibrated=6.9))
        film.add_scored(drawn(scale, 2, calibrated=7.0))
    frames = frames_in(path)
    assert [frame.shape for frame in frames] == [(256 + LEGEND_HEIGHT, 2 * 384, 3)] * 3
    assert [has_red_border(frame) for frame in frames] == [False, False, True]


def test_without_a_threshold_no_frame_has_a_border(tmp_path):
    path = tmp_path / "film.mp4"
    scale = ColourScale(VideoConfig(recipe="video"))
    with AnnotatedVideo(path, 10, scale) as film:
        film.add_scored(drawn(scale, 0))
    (frame,) = frames_in(path)
    assert not has_red_border(frame)


def test_a_video_that_cannot_be_written_gives_one_warning(scale, tmp_path):
    (tmp_path / "out").write_text("a file where a folder should be")
    warnings: list[str] = []
    with AnnotatedVideo(tmp_path / "out" / "film.mp4", 10, scale, warn=warnings.append) as film:
        for index in range(3):
            film.add_scored(drawn(scale, index))
    assert not film.complete
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{tmp_path / 'out' / 'film.mp4'} is not written: ")


def interrupted(path, scale) -> None:
    with AnnotatedVideo(path, 10, scale) as film:
        film.add_scored(drawn(scale, 0))
        raise KeyboardInterrupt


def test_an_interruption_leaves_no_part_and_the_file_of_an_earlier_call(scale, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"of an earlier call")
    with pytest.raises(KeyboardInterrupt):
        interrupted(path, scale)
    assert [file.name for file in tmp_path.iterdir()] == ["film.mp4"]
    assert path.read_bytes() == b"of an earlier call"
