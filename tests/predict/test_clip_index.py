import html as escaping
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from dmad.api import load
from dmad.inference.detector import Detector
from dmad.predict import clip_index
from dmad.predict.clip_index import ClipIndex, ClipResult, Moment
from dmad.predict.clips import predict_clips
from dmad.predict.output_folder import OutputFolder
from dmad.predict.settings import PredictSettings

HOSTILE = '<img src=x onerror=alert(1)> & "it\'s" #1?'


@pytest.fixture(scope="module")
def detector(trained) -> Detector:
    return load(trained)


@pytest.fixture
def page(tmp_path) -> Callable[..., str]:
    """Scores clips and returns the page."""

    def run(detector: Detector, *clips: Path, **settings) -> str:
        list(predict_clips(detector, clips, tmp_path / "out", PredictSettings(**settings)))
        return (tmp_path / "out/index.html").read_text()

    return run


def result(name: str, scores: list[float], moments: list[Moment]) -> ClipResult:
    return ClipResult(
        name=name,
        source=f"films/{name}.mp4",
        score=np.array(scores),
        events=[(1, 2)] * len(moments),
        moments=moments,
        peak=max(scores),
        peak_time=0.1,
        length=0.3,
        files=["annotated.mp4", "scores.csv"],
    )


def moment(clip: str, score: float) -> Moment:
    return Moment(clip, 1.0, 2.0, 1.5, score, "error", None, f"{clip}/annotated.mp4#t=0.0")


def written(index: ClipIndex, folder: Path) -> str:
    with OutputFolder(folder) as output:
        index.write(output)
    return (folder / "index.html").read_text()


def links(html: str) -> list[str]:
    return [escaping.unescape(link) for link in re.findall(r'href="([^"#][^"]*)"', html)]


def test_events_of_all_clips_are_sorted_by_score(tmp_path) -> None:
    index = ClipIndex(2.0)
    index.add(result("a", [0, 3, 0], [moment("a", 3.0), moment("a", 7.0)]))
    index.add(result("b", [0, 5, 0], [moment("b", 5.0)]))
    html = written(index, tmp_path)
    assert re.findall(r'class="value">([\d.]+)<', html) == ["7", "5", "3"]
    assert "<h1>3 events in 2 sources</h1>" in html
    assert "threshold of 2" in html
    assert html.count('class="why error">error<') == 3
    assert html.count('role="img" aria-label="Score of') == 2
    assert html.count('class="line threshold"') == 3  # two curves and their key
    assert "a</bdi>, 1.0 s to 2.0 s" in html


def test_only_the_strongest_moments_are_shown_and_the_others_counted(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(clip_index, "MOST_MOMENTS", 2)
    index = ClipIndex(2.0)
    index.add(result("a", [0, 3, 0], [moment("a", score) for score in (3.0, 9.0, 5.0)]))
    html = written(index, tmp_path)
    assert re.findall(r'class="value">([\d.]+)<', html) == ["9", "5"]
    assert "The 2 strongest of 3 events are shown." in html


def test_an_event_has_a_picture_times_and_the_film(
    detector, write_odd_clip, frames_of, calibration_of, tmp_path, page
) -> None:
    plain = detector(frames_of(3, 40))
    highest = float(np.nanmax(plain.reconstruction + 0.5 * plain.deformation))
    with_threshold = detector.with_calibration(calibration_of(1.3 * highest))
    clip = write_odd_clip(tmp_path / HOSTILE, 3, 40, range(20, 27), range(20, 30))
    html = page(with_threshold, clip, fps=10.0)
    assert "1 event in 1 source" in html
    assert html.count("data:image/webp") == 1
    assert re.search(r'href="[^"]*annotated.mp4#t=\d\.\d"', html)
    assert re.search(r'class="why (error|deformation)"', html)
    assert "<img src=x" not in html
    for link in links(html):
        if not link.startswith("data:"):
            assert (tmp_path / "out" / unquote(link.split("#")[0])).is_file(), link


def test_without_a_film_the_picture_is_no_link(
    detector, write_clip, calibration_of, tmp_path, page
) -> None:
    clip = write_clip(tmp_path / "clip", 3, 12)
    html = page(detector.with_calibration(calibration_of(1e-6)), clip, panels=0, video=False)
    assert "data:image/webp" in html
    assert "annotated.mp4" not in html
    assert "Click a picture" not in html


def test_without_events_one_sentence_says_so(
    detector, write_clip, calibration_of, tmp_path, page
) -> None:
    clip = write_clip(tmp_path / "clip", 3, 12)
    html = page(detector.with_calibration(calibration_of(1e6)), clip, panels=0, video=False)
    assert "No event was found. The highest score is" in html
    assert 'class="card"' not in html


def test_without_a_threshold_the_page_says_how_to_set_one(
    detector, write_clip, tmp_path, page
) -> None:
    html = page(detector, write_clip(tmp_path / "clip", 3, 16), panels=2)
    assert "These moments have the highest scores. Set a threshold with" in html
    assert "dmad calibrate" in html
    assert html.count("data:image/webp") == html.count('class="card"') >= 1


def test_a_second_call_replaces_the_page(detector, write_clip, tmp_path, page) -> None:
    first = page(detector, write_clip(tmp_path / "one", 3, 6), panels=0, video=False)
    second = page(detector, write_clip(tmp_path / "two", 3, 6), panels=0, video=False)
    assert ("one" in first, "two" in first) == (True, False)
    assert "<bdi>two</bdi>" in second
    assert "<bdi>one</bdi>" not in second


def test_after_an_interruption_the_page_shows_the_clips_until_then(
    detector, write_clip, tmp_path
) -> None:
    clips = [write_clip(tmp_path / name, 3, 6) for name in ("one", "two")]
    settings = PredictSettings(panels=0, video=False)
    folders = predict_clips(detector, clips, tmp_path / "out", settings)
    next(folders)
    with pytest.raises(KeyboardInterrupt):
        folders.throw(KeyboardInterrupt)
    html = (tmp_path / "out/index.html").read_text()
    assert "Highest scores in 1 source" in html


def test_another_process_in_the_folder_gives_a_warning(
    detector, write_clip, tmp_path, logged
) -> None:
    out = tmp_path / "out"
    with OutputFolder(out):
        settings = PredictSettings(panels=0, video=False)
        list(predict_clips(detector, [write_clip(tmp_path / "clip", 3, 6)], out, settings))
    assert "the page is not written: " in logged()
    assert (out / "clip/scores.csv").is_file()
    assert not (out / "index.html").exists()
