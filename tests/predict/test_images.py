"""`dmad predict` on images: verdicts, pictures, and files that cannot be judged."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dmad.errors import DmadError
from dmad.forms.images.pictures import FULL, Pictures, raw_level
from dmad.inference.detector import load
from dmad.predict.images import judge_files, named
from dmad.predict.video import predict


def table(out: Path) -> list[dict[str, str]]:
    with (out / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_verdicts_and_pictures(trained_images, image_data, tmp_path) -> None:
    out = tmp_path / "out"
    assert list(predict(trained_images, [image_data / "discs/test"], out)) == [out]
    rows = table(out)
    assert len(rows) == 8
    for row in rows:
        assert (row["verdict"] == "anomalous") == (float(row["score"]) >= float(row["threshold"]))
        assert row["verdict"] in ("anomalous", "good")
        for kind, mode, width in (("overlays", "RGB", 64), ("fields", "RGB", 128)):
            with Image.open(out / kind / row["image"]) as picture:
                assert (picture.mode, picture.size) == (mode, (width, 64))

    spots, good = (
        [float(row["score"]) for row in rows if ("spot" in row["image"]) == spot]
        for spot in (True, False)
    )
    assert min(spots) > max(good)


def test_masks_are_no_parts(trained_images, image_data, tmp_path, logged) -> None:
    list(predict(trained_images, [image_data / "discs"], tmp_path))
    assert {Path(row["image"]).suffix for row in table(tmp_path)} == {".png"}
    assert not any("mask" in row["image"] for row in table(tmp_path))
    assert "4 masks left out" in logged()


def test_raw_maps_hold_equation_23(trained_images, image_data, tmp_path) -> None:
    out = tmp_path / "out"
    list(predict(trained_images, [image_data / "discs/test/spot/000.png"], out))
    (file,) = named([image_data / "discs/test/spot/000.png"])
    ((_, found),) = judge_files(load(trained_images), [file])
    with Image.open(out / "maps/000.png") as picture:
        assert picture.mode.startswith("I")
        grey = np.asarray(picture).astype(np.uint16)
    np.testing.assert_allclose(grey / 65535 * FULL, found.map, atol=FULL / 65535)
    row, column = np.unravel_index(grey.argmax(), grey.shape)
    assert 20 <= row <= 38
    assert 26 <= column <= 42


def test_the_contour_is_where_the_map_reaches_the_threshold(trained_images, image_data) -> None:
    detector = load(trained_images)
    (file,) = named([image_data / "discs/test/spot/000.png"])
    ((_, found),) = judge_files(detector, [file])
    scorer, alpha = detector.calibration.scorer, detector.config.score.alpha
    level = raw_level(detector.calibration, alpha)
    terms = np.array([level - alpha * found.deformation]), np.array([found.deformation])
    assert scorer.combine(*terms)[0] == pytest.approx(detector.calibration.threshold)
    drawing = Pictures(detector)
    grey = np.full((64, 64, 3), 128, np.uint8)
    flat = np.zeros((64, 64), np.float32)
    np.testing.assert_array_equal(drawing.overlay(grey, flat), grey)
    flat[20:30, 20:30] = 2 * level
    outline = (drawing.overlay(grey, flat) == (0, 220, 255)).all(-1)
    assert outline[20, 25]
    assert not outline[25, 25]


@pytest.mark.parametrize("out", ["..", "."])
def test_pictures_of_a_folder_called_by_dots_are_its_own(
    trained_images, image_data, tmp_path, monkeypatch, out
) -> None:
    shutil.copytree(image_data / "discs/test/good", tmp_path / "parts")
    (tmp_path / "parts/results").mkdir()
    before = {path: path.read_bytes() for path in (tmp_path / "parts").glob("*.png")}
    monkeypatch.chdir(tmp_path / "parts/results")
    list(predict(trained_images, [Path("..")], Path(out)))
    assert {path: path.read_bytes() for path in (tmp_path / "parts").glob("*.png")} == before
    for kind in ("overlays", "maps", "fields"):
        assert (Path(out) / kind / "parts/000.png").is_file()
    again = list(predict(trained_images, [Path("..")], Path(out)))
    assert len(table(again[0])) == len(before)  # its own pictures are not judged


def test_options_of_video_are_refused(trained_images, image_data, tmp_path) -> None:
    with pytest.raises(DmadError, match="--scene, --fps: for video"):
        list(predict(trained_images, [image_data], tmp_path, scene="yard", fps=3))


def test_without_a_threshold_there_is_no_verdict(trained_images, image_data, tmp_path) -> None:
    run = shutil.copytree(trained_images, tmp_path / "run")
    card = json.loads((run / "model.json").read_text())
    del card["calibration"]
    (run / "model.json").write_text(json.dumps(card))
    list(predict(run, [image_data / "discs/test/good"], tmp_path / "out"))
    assert {(row["threshold"], row["verdict"]) for row in table(tmp_path / "out")} == {("", "")}


def test_unreadable_images_are_skipped_and_counted(
    trained_images, image_data, tmp_path, logged
) -> None:
    folder = shutil.copytree(image_data / "discs/test/good", tmp_path / "parts")
    (folder / "broken.jpg").write_bytes(b"nothing")
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    Image.new("RGBA", (200, 100), (9, 9, 9, 0)).save(folder / "wide.png")
    list(predict(trained_images, [folder], tmp_path / "out"))
    told = logged()
    assert told.count("skipped: ") == 2
    assert "note: 2 of 7 images were skipped" in told
    assert len(table(tmp_path / "out")) == 5
    with Image.open(tmp_path / "out/overlays/parts/wide.png") as picture:
        assert picture.size == (200, 100)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "does not exist"), ([], "holds no images"), ([b"x"], "none of 1 images could be read")],
)
def test_nothing_to_judge_is_said_in_one_line(trained_images, tmp_path, content, message) -> None:
    folder = tmp_path / "parts"
    if content is not None:
        folder.mkdir()
        for data in content:
            (folder / "a.png").write_bytes(data)
    with pytest.raises(DmadError, match=message) as caught:
        list(predict(trained_images, [folder], tmp_path / "out"))
    assert "\n" not in str(caught.value)


def test_images_named_alike_are_told_apart(image_data) -> None:
    spots, cuts = (image_data / "discs" / "test" / kind for kind in ("spot", "good"))
    assert [file.name for file in named([spots / "000.png"])] == ["000.png"]
    loose = named([spots / "000.png", cuts / "000.png"])
    assert [file.name for file in loose] == ["spot/000.png", "good/000.png"]
    folders = named([image_data / "discs" / "test", image_data / "discs" / "train" / ".." / "test"])
    assert len({file.name for file in folders}) == len(folders)


def test_how_many_are_anomalous_is_told(trained_images, image_data, tmp_path, logged) -> None:
    list(predict(trained_images, [image_data / "discs/test"], tmp_path))
    bad = sum(row["verdict"] == "anomalous" for row in table(tmp_path))
    assert f"{bad} of 8 images are anomalous" in logged()


def test_pictures_of_a_call_before_are_gone(trained_images, image_data, tmp_path) -> None:
    spots = image_data / "discs/test/spot"
    for name in ("000.png", "001.png"):
        list(predict(trained_images, [spots / name], tmp_path))
        for kind in ("overlays", "maps", "fields"):
            assert [path.name for path in (tmp_path / kind).iterdir()] == [name]


def test_a_table_of_others_stays(trained_images, image_data, tmp_path) -> None:
    own = tmp_path / "scores.csv"
    own.write_text("part,weight\n")
    with pytest.raises(DmadError, match="choose another folder"):
        list(predict(trained_images, [image_data / "discs/test/spot"], tmp_path))
    assert own.read_text() == "part,weight\n"


def test_what_is_for_video_is_refused(trained_images, image_data, tmp_path) -> None:
    with pytest.raises(DmadError, match="--panels, --video: for video, not for images"):
        list(predict(trained_images, [image_data], tmp_path, panels=2, video=False))


def test_what_was_judged_before_a_stop_is_kept(
    trained_images, image_data, tmp_path, monkeypatch
) -> None:
    usual = Pictures.write

    def write(self, path, found, out) -> None:
        if "002" in path.name:
            raise KeyboardInterrupt
        usual(self, path, found, out)

    monkeypatch.setattr(Pictures, "write", write)
    with pytest.raises(KeyboardInterrupt):
        list(predict(trained_images, [image_data / "discs/test/spot"], tmp_path))
    assert len(table(tmp_path)) == 3


def test_a_name_too_long_for_pictures(trained_images, image_data, tmp_path, logged) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b" * 250, "c"):
        shutil.copy(image_data / "discs/test/spot/000.png", tmp_path / "in" / f"{name}.png")
    list(predict(trained_images, [tmp_path / "in"], tmp_path / "out"))
    assert len(table(tmp_path / "out")) == 3
    assert "no pictures of in/bbb" in logged()
