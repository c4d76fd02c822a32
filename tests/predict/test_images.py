import csv
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dmad.api import load
from dmad.data.inputs import find_images
from dmad.errors import DmadError
from dmad.forms.images.pictures import FULL_MAP
from dmad.inference.detector import Detector
from dmad.predict.images import Differences, judge_files, predict_images, without_arrays

PICTURES = ("overlays", "maps", "fields")


@pytest.fixture(scope="module")
def detector(trained_images) -> Detector:
    return load(trained_images)


@pytest.fixture
def spots(image_data) -> Path:
    """Four images with a bright spot."""
    return image_data / "discs/test/spot"


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_image_gets_a_verdict_and_pictures(detector, image_data, tmp_path, logged) -> None:
    assert predict_images(detector, [image_data / "discs/test"], tmp_path) == tmp_path
    rows = rows_of(tmp_path)
    assert len(rows) == 8
    for row in rows:
        reaches_threshold = float(row["score"]) >= float(row["threshold"])
        assert row["verdict"] == ("anomalous" if reaches_threshold else "good")
        for folder, mode, width in (("overlays", "RGB", 64), ("fields", "RGB", 128)):
            with Image.open(tmp_path / folder / row["image"]) as picture:
                assert (picture.mode, picture.size) == (mode, (width, 64))
    with_spot = [float(row["score"]) for row in rows if "spot" in row["image"]]
    without = [float(row["score"]) for row in rows if "spot" not in row["image"]]
    assert min(with_spot) > max(without)
    anomalous = sum(row["verdict"] == "anomalous" for row in rows)
    assert f"{anomalous} of 8 images are anomalous" in logged()


def test_kept_results_need_little_memory(detector, spots) -> None:
    ((_, judged),) = judge_files(detector, find_images([spots / "000.png"]), Differences(detector))
    kept = without_arrays(judged)
    assert (kept.score, kept.verdict, kept.name) == (judged.score, judged.verdict, judged.name)
    assert sum(value.size for value in vars(kept).values() if isinstance(value, np.ndarray)) == 0


def test_masks_are_not_judged(detector, image_data, tmp_path, logged) -> None:
    predict_images(detector, [image_data / "discs"], tmp_path)
    rows = rows_of(tmp_path)
    assert len(rows) == 24
    assert not any("mask" in row["image"] for row in rows)
    assert "4 masks are left out" in logged()


def test_masks_alone_are_judged(detector, image_data, tmp_path) -> None:
    predict_images(detector, [image_data / "discs/ground_truth/spot/000_mask.png"], tmp_path)
    assert [row["image"] for row in rows_of(tmp_path)] == ["000_mask.png"]


def test_raw_maps_hold_the_values_of_equation_23(detector, spots, tmp_path) -> None:
    predict_images(detector, [spots / "000.png"], tmp_path)
    ((_, judged),) = judge_files(detector, find_images([spots / "000.png"]), Differences(detector))
    with Image.open(tmp_path / "maps/000.png") as picture:
        assert picture.mode.startswith("I")
        grey = np.asarray(picture).astype(np.uint16)
    np.testing.assert_allclose(grey / 65535 * FULL_MAP, judged.map, atol=FULL_MAP / 65535)
    row, column = np.unravel_index(grey.argmax(), grey.shape)
    assert 20 <= row <= 38
    assert 26 <= column <= 42


@pytest.mark.parametrize("out", ["..", "."])
def test_pictures_do_not_overwrite_images_and_are_not_judged(
    detector, image_data, tmp_path, monkeypatch, out
) -> None:
    """Even if the folders are called by dots."""
    images = tmp_path / "parts"
    shutil.copytree(image_data / "discs/test/good", images)
    (images / "results").mkdir()
    before = {path: path.read_bytes() for path in images.glob("*.png")}
    monkeypatch.chdir(images / "results")
    predict_images(detector, [Path("..")], Path(out))
    assert {path: path.read_bytes() for path in images.glob("*.png")} == before
    for folder in PICTURES:
        assert (Path(out) / folder / "parts/000.png").is_file()
    predict_images(detector, [Path("..")], Path(out))
    assert len(rows_of(Path(out))) == len(before)


def test_without_a_threshold_there_is_no_verdict(detector, spots, tmp_path, logged) -> None:
    predict_images(detector.with_calibration(None), [spots], tmp_path)
    assert {(row["threshold"], row["verdict"]) for row in rows_of(tmp_path)} == {("", "")}
    assert "no threshold is set" in logged()


def test_unreadable_images_are_skipped_and_counted(detector, image_data, tmp_path, logged) -> None:
    images = shutil.copytree(image_data / "discs/test/good", tmp_path / "parts")
    (images / "broken.jpg").write_bytes(b"nothing")
    Image.new("RGB", (1, 1)).save(images / "dot.png")
    Image.new("RGBA", (200, 100), (9, 9, 9, 0)).save(images / "wide.png")
    predict_images(detector, [images], tmp_path / "out")
    log = logged()
    assert log.count("skipped: ") == 2
    assert "2 of 7 images were skipped" in log
    assert len(rows_of(tmp_path / "out")) == 5
    with Image.open(tmp_path / "out/overlays/parts/wide.png") as picture:
        assert picture.size == (200, 100)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "does not exist"),
        ([], "holds no images"),
        (["a.png"], "none of 1 images could be read"),
    ],
)
def test_without_a_readable_image_the_error_is_one_line(detector, tmp_path, files, message) -> None:
    images = tmp_path / "parts"
    if files is not None:
        images.mkdir()
        for name in files:
            (images / name).write_bytes(b"x")
    with pytest.raises(DmadError, match=message) as caught:
        predict_images(detector, [images], tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_pictures_of_an_earlier_call_are_removed(detector, spots, tmp_path) -> None:
    for name in ("000.png", "001.png"):
        predict_images(detector, [spots / name], tmp_path)
        for folder in PICTURES:
            assert [path.name for path in (tmp_path / folder).iterdir()] == [name]


def test_pictures_outside_the_folder_are_not_removed(detector, spots, tmp_path) -> None:
    """Even if the table of an earlier call names them."""
    out, precious = tmp_path / "out", tmp_path / "precious.png"
    precious.touch()
    predict_images(detector, [spots / "000.png"], out)
    table = out / "scores.csv"
    lines = table.read_text().splitlines()
    row = lines[1].split(",", 1)[1]
    table.write_text("\n".join([lines[0], f"{precious},{row}", f"../../precious.png,{row}", ""]))
    predict_images(detector, [spots / "001.png"], out)
    assert precious.exists()
    assert len(rows_of(out)) == 1


def test_a_linked_folder_of_pictures_is_refused(detector, spots, tmp_path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "overlays").symlink_to(tmp_path / "outside")
    with pytest.raises(DmadError, match="is reached through a link; nothing is written there"):
        predict_images(detector, [spots / "000.png"], tmp_path / "out")
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_table_of_somebody_else_is_not_overwritten(detector, spots, tmp_path) -> None:
    table = tmp_path / "scores.csv"
    table.write_text("part,weight\n")
    with pytest.raises(DmadError, match="choose another folder"):
        predict_images(detector, [spots], tmp_path)
    assert table.read_text() == "part,weight\n"


class InterruptAtWarning(logging.Handler):
    """Does what Ctrl-C does, at the first warning."""

    def emit(self, record) -> None:
        if record.levelno == logging.WARNING:
            raise KeyboardInterrupt


def test_results_before_an_interruption_are_kept(detector, spots, tmp_path) -> None:
    images = shutil.copytree(spots, tmp_path / "parts")
    (images / "002.png").write_bytes(b"broken")
    logger, handler = logging.getLogger("dmad.predict.images"), InterruptAtWarning()
    logger.addHandler(handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            predict_images(detector, [images], tmp_path / "out")
    finally:
        logger.removeHandler(handler)
    assert len(rows_of(tmp_path / "out")) == 2


def test_an_image_whose_name_is_too_long_for_pictures_is_scored(
    detector, spots, tmp_path, logged
) -> None:
    images = tmp_path / "in"
    images.mkdir()
    for name in ("a", "b" * 251, "c"):
        Image.open(spots / "000.png").save(images / f"{name}.jpg")
    predict_images(detector, [images], tmp_path / "out")
    assert len(rows_of(tmp_path / "out")) == 3
    assert "some pictures of in/bbb" in logged()
