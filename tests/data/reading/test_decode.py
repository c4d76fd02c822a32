"""Videos, folders of frames and single images give the same kind of frames."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import map_coordinates

from dmad.data.reading.decode import aspect_ratio, decode, probe
from dmad.data.reading.frame_format import FrameFormat
from dmad.errors import DmadError


def test_frames_of_a_folder_come_in_natural_order_without_hidden_files(write_frames, tmp_path):
    folder = write_frames(tmp_path / "clip", 12, "frame{}.png")
    (folder / "._frame0.png").write_bytes(b"mac")
    (folder / ".DS_Store").write_bytes(b"mac")
    (folder / "notes.txt").write_text("no image")
    frames = np.stack(list(decode(folder, FrameFormat(16, 3))))
    assert frames.shape == (12, 16, 16, 3)
    assert frames.dtype == np.uint8
    assert frames[:, 8, 8, 0].tolist() == [10 * i for i in range(12)]


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp"])
def test_images_of_many_formats_are_read(write_frames, tmp_path, suffix):
    folder = write_frames(tmp_path, 2, "{}." + suffix)
    assert [
        abs(int(frame.mean()) - 10 * i) <= 1
        for i, frame in enumerate(decode(folder, FrameFormat(16, 1)))
    ]


def test_images_of_16_bits_keep_their_high_byte(tmp_path):
    Image.fromarray(np.full((20, 20), 40_000, np.uint16)).save(tmp_path / "0.tif")
    assert (next(decode(tmp_path, FrameFormat(16, 1))) == 40_000 >> 8).all()
    assert next(decode(tmp_path, FrameFormat(16, 3))).shape == (16, 16, 3)


def test_a_hot_pixel_leaves_the_brightness_of_deep_frames_as_it_is(tmp_path):
    pixels = np.random.default_rng(0).integers(1000, 4000, (20, 64, 64)).astype(np.uint16)
    pixels[7, 5, 5] = 60_000
    pixels[9] //= 16  # one dark frame, whose values would fit into 8 bits
    for i, frame in enumerate(pixels):
        Image.fromarray(frame).save(tmp_path / f"{i}.png")
    levels = [frame.mean() for frame in decode(tmp_path, FrameFormat(64, 1))]
    assert abs(levels[7] - levels[6]) < 2
    assert abs(levels[9] - levels[6] / 16) < 1
    (alone,) = decode(tmp_path / "7.png", FrameFormat(64, 1))
    assert abs(alone.mean() - levels[6]) < 2


def test_images_of_floating_point_numbers_from_0_to_1_are_read(tmp_path):
    Image.fromarray(np.full((20, 20), 0.5, np.float32)).save(tmp_path / "0.tif")
    notes: list[str] = []
    (frame,) = decode(tmp_path, FrameFormat(16, 1), notes.append)
    assert (frame == 128).all()
    assert notes == []


def test_resizing_is_antialiased(tmp_path):
    noise = np.random.default_rng(0).integers(0, 2, (128, 128, 3), np.uint8) * 255
    Image.fromarray(noise).save(tmp_path / "0.png")
    assert next(decode(tmp_path, FrameFormat(16, 1))).std() < 25


def test_without_antialiasing_a_pixel_is_interpolated_between_four_neighbours(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)
    Image.fromarray(image).save(tmp_path / "0.png")
    found = next(decode(tmp_path, FrameFormat(16, 1, antialias=False)))[..., 0]
    rows, columns = (np.arange(16) + 0.5) * 3 - 0.5, (np.arange(16) + 0.5) * 4 - 0.5
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"))
    np.testing.assert_allclose(found, map_coordinates(image.astype(float), grid, order=1), atol=1)


def test_without_antialiasing_a_large_jpeg_is_decoded_in_full(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (256, 256), np.uint8)
    Image.fromarray(noise).save(tmp_path / "0.jpg", quality=100)
    with Image.open(tmp_path / "0.jpg") as image:
        own = np.asarray(image)
    jpeg = next(decode(tmp_path, FrameFormat(32, 1, antialias=False)))
    (tmp_path / "0.jpg").unlink()
    Image.fromarray(own).save(tmp_path / "0.png")
    assert (jpeg == next(decode(tmp_path, FrameFormat(32, 1, antialias=False)))).all()


def test_videos_and_folders_are_resized_alike(write_frames, write_video, tmp_path):
    video = write_video(tmp_path / "a.avi", 3)
    folder, video = (
        np.stack(list(decode(path, FrameFormat(24, 3, antialias=False)))).astype(int)
        for path in (write_frames(tmp_path / "b", 3), video)
    )
    assert folder.shape == (3, 24, 24, 3)
    assert np.abs(folder - video).max() <= 4


@pytest.mark.parametrize("channels", [1, 3])
def test_a_video_keeps_its_brightness(write_video, tmp_path, channels):
    frames = np.stack(list(decode(write_video(tmp_path / "a.avi", 20), FrameFormat(32, channels))))
    assert frames.shape == (20, 32, 32, channels)
    middle = frames[:, 16, 16, 0].astype(int)
    assert np.abs(middle - 10 * np.arange(20)).max() <= 4


def test_frames_of_several_sizes_are_resized_and_reported(write_frames, tmp_path):
    folder = write_frames(tmp_path / "a", 3)
    write_frames(folder, 2, "b{}.png", size=50)
    notes: list[str] = []
    assert len(list(decode(folder, FrameFormat(16, 1), notes.append))) == 5
    assert len(notes) == 1
    assert "2 sizes" in notes[0]


def test_only_a_single_image_is_cut_into_tiles(write_frames, tmp_path):
    folder = write_frames(tmp_path / "a", 3)
    tiled = FrameFormat(16, 1, tiles=2)
    assert len(list(decode(folder / "0.png", tiled))) == 4
    assert len(list(decode(folder, tiled))) == 3


def test_too_small_images_are_reported_and_left_out(tmp_path):
    Image.new("L", (7, 40)).save(tmp_path / "0.png")
    notes: list[str] = []
    assert list(decode(tmp_path / "0.png", FrameFormat(16, 1), notes.append)) == []
    assert "7 x 40 pixels" in notes[0]


def test_rate_and_number_of_frames_are_known_before_decoding(write_frames, write_video, tmp_path):
    folder = write_frames(tmp_path / "a", 3)
    assert probe(write_video(tmp_path / "b.avi", 7, fps=12)) == (12.0, 7)
    assert probe(folder) == (0.0, 3)
    assert probe(folder / "0.png") == (0.0, 1)
    (tmp_path / "c.avi").write_bytes(b"no video")
    assert probe(tmp_path / "c.avi") == (0.0, 0)


def test_the_aspect_ratio_of_a_clip_is_known(write_frames, write_video, tmp_path):
    assert aspect_ratio(write_frames(tmp_path / "a", 1, size=32)) == 40 / 32
    assert aspect_ratio(write_video(tmp_path / "b.avi", 2)) == 1
    (tmp_path / "empty").mkdir()
    assert aspect_ratio(tmp_path / "empty") == 1


@pytest.mark.parametrize("make", ["missing", "empty"])
def test_nothing_to_decode_is_an_error_of_one_line(tmp_path, make):
    path = tmp_path / make
    if make == "empty":
        path.mkdir()
    with pytest.raises(DmadError) as caught:
        list(decode(path, FrameFormat(16, 3)))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
