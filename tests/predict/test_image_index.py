import re
import shutil
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from dmad.api import load
from dmad.inference.detector import Detector
from dmad.predict import image_index
from dmad.predict.image_index import histogram
from dmad.predict.images import predict_images

HOSTILE = '<b onclick=alert(1)> & "it\'s" #1?.png'


@pytest.fixture(scope="module")
def detector(trained_images) -> Detector:
    return load(trained_images)


def page_of(detector: Detector, images: Path, out: Path) -> str:
    predict_images(detector, [images], out)
    return (out / "index.html").read_text(errors="surrogateescape")


def test_verdicts_are_sorted_by_score_and_have_pictures(detector, image_data, tmp_path) -> None:
    html = page_of(detector, image_data / "discs/test", tmp_path)
    verdicts = re.findall(r'class="card" data-verdict="(\w+)"', html)
    anomalous = verdicts.count("anomalous")
    assert len(verdicts) == 8
    assert verdicts == ["anomalous"] * anomalous + ["good"] * (8 - anomalous)
    assert f"<h1>{anomalous} of 8 images are anomalous</h1>" in html
    scores = [float(score) for score in re.findall(r'class="value">([\d.e+-]+)<', html)]
    assert scores == sorted(scores, reverse=True)
    assert html.count('loading="lazy"') == 8
    assert 'data-verdict="good" aria-pressed="false"' in html


@pytest.mark.parametrize("name", [HOSTILE, "\udcff.png"])
def test_links_of_a_hostile_name_lead_to_files(detector, image_data, tmp_path, name) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(image_data / "discs/test/spot/000.png", tmp_path / "in" / name)
    html = page_of(detector, tmp_path / "in", tmp_path / "out")
    assert "<b onclick" not in html
    assert name in unescape(html)
    found = [unescape(link) for link in re.findall(r'(?:href|src)="([^"]*)"', html)]
    assert len(found) >= 5
    for link in found:
        assert (
            link.startswith("data:")
            or (tmp_path / "out" / unquote(link, errors="surrogateescape")).is_file()
        ), link


def test_without_anomalies_one_sentence_says_so(
    detector, image_data, calibration_of, tmp_path
) -> None:
    lenient = detector.with_calibration(calibration_of(1e6))
    html = page_of(lenient, image_data / "discs/test/good", tmp_path)
    assert "<h1>No image is anomalous</h1>" in html
    assert re.search(r"The highest of \d scores is", html)


def test_without_a_threshold_the_page_says_how_to_set_one(detector, image_data, tmp_path) -> None:
    html = page_of(detector.with_calibration(None), image_data / "discs/test/good", tmp_path)
    assert "so there are no verdicts" in html
    assert "<code>dmad calibrate</code>" in html
    assert 'class="line threshold"' not in html
    assert "<button" not in html


def test_only_the_highest_scores_are_shown_and_the_others_counted(
    detector, image_data, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(image_index, "MOST_IMAGES", 3)
    html = page_of(detector, image_data / "discs/test", tmp_path)
    assert html.count('class="card"') == 3
    assert "The 3 highest of 8 scores are shown." in html


def test_a_second_call_replaces_the_page(detector, image_data, tmp_path) -> None:
    for name in ("000", "001"):
        html = page_of(detector, image_data / f"discs/test/spot/{name}.png", tmp_path)
        assert re.findall(r"<bdi>(\d+)\.png</bdi>", html) == [name]


def test_the_histogram_counts_every_image_and_contains_the_threshold() -> None:
    found = histogram(np.array([1.0, 1.0, 1.0, 2.0]), 3.0)
    assert [bar.words.split(" from")[0] for bar in found.bars] == ["3 images", "1 image"]
    assert [bar.height for bar in found.bars] == [image_index.HEIGHT, image_index.HEIGHT / 3]
    assert (found.lowest, found.highest, found.threshold) == (1, 3, image_index.WIDTH)


@pytest.mark.parametrize("threshold", [None, 2.0])
def test_equal_scores_have_one_bar(threshold) -> None:
    found = histogram(np.array([2.0, 2.0]), threshold)
    assert len(found.bars) == 1
    assert found.lowest < 2 < found.highest
