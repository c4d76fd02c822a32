import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from waiting import until

from dmad.data.reading.image_files import read_frames
from dmad.errors import DmadError
from dmad.forms.images.pictures import judge_image
from dmad.serve import inspection
from dmad.serve.inspection import BusyError, Station, judge_parts
from dmad.serve.uploads import decode_image


@pytest.fixture
def station(image_model, tmp_path):
    opened = Station(image_model, tmp_path)
    yield opened
    opened.close()


def upload_of(station, path):
    return decode_image(path.read_bytes(), station.format)


def test_parts_that_are_judged_together_have_the_results_of_dmad_predict(
    image_model, station, image_data
):
    paths = sorted((image_data / "discs/test").glob("*/*.png"))
    frames = [read_frames(path, station.format)[0] for path in paths]
    together = judge_parts(image_model.detector, frames)
    for part, one in zip(together, frames, strict=True):
        alone = judge_image(image_model.detector, one, "")
        assert part.score == pytest.approx(alone.score, rel=1e-4, abs=1e-4)
        assert (part.verdict, part.threshold) == (alone.verdict, alone.threshold)
        assert np.allclose(part.map, alone.map, atol=1e-4)


def test_a_spot_is_anomalous_and_its_place_is_found(station, spot, good):
    bad, fine = (station.judge(upload_of(station, path)) for path in (spot, good))
    assert (bad.verdict, fine.verdict) == ("anomalous", "good")
    left, top, right, bottom = bad.box
    assert left < 34 / 64 < right
    assert top < 29 / 64 < bottom
    assert station.judged == 2
    assert len(station.seconds) == 2


def test_images_that_wait_are_judged_in_one_batch(station, good, monkeypatch):
    sizes, started, go_on = [], threading.Event(), threading.Event()
    judge = inspection.judge_parts

    def slow(detector, parts):
        sizes.append(len(parts))
        started.set()
        go_on.wait(60)
        return judge(detector, parts)

    monkeypatch.setattr(inspection, "judge_parts", slow)
    upload = upload_of(station, good)
    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(station.judge, upload)
        until(started.is_set)
        others = [pool.submit(station.judge, upload) for _ in range(8)]
        until(lambda: station.waiting == 8)
        go_on.set()
        scores = {future.result(60).score for future in [first, *others]}
    assert sizes == [1, 8]
    assert max(scores) - min(scores) < 1e-4


def test_a_full_queue_refuses_and_an_error_reaches_its_sender(station, good, monkeypatch):
    upload = upload_of(station, good)
    started, go_on = threading.Event(), threading.Event()

    def fail(detector, parts):
        started.set()
        go_on.wait(60)
        raise ValueError("no luck")

    monkeypatch.setattr(inspection, "judge_parts", fail)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(station.judge, upload)]
        until(started.is_set)
        waiting.append(pool.submit(station.judge, upload))
        until(lambda: station.waiting == 1)
        station._queue.maxsize = 1
        with pytest.raises(BusyError, match="send it again later"):
            station.judge(upload)
        go_on.set()
        for future in waiting:
            with pytest.raises(ValueError, match="no luck"):
                future.result(60)
    monkeypatch.undo()
    assert station.judge(upload).verdict == "good"  # the thread goes on


def test_a_chosen_threshold_is_used_from_the_next_image_on(station, good):
    part = station.judge(upload_of(station, good))
    change = station.choose(part.score - 0.01)
    assert change.old == part.threshold
    assert station.judge(upload_of(station, good)).verdict == "anomalous"
    assert station.undo().new == part.threshold
    assert station.judge(upload_of(station, good)).verdict == "good"
    with pytest.raises(DmadError, match="nothing to undo"):
        station.undo()


def test_scores_of_the_good_images_are_those_of_the_calibration(station):
    scores = station.good_scores()
    assert len(scores) == 4  # a quarter of 16 images was held out
    assert np.isfinite(scores).all()


def test_pictures_are_kept_in_a_folder_of_the_day(station, spot, tmp_path):
    upload = upload_of(station, spot)
    part = station.judge(upload)
    picture, heat = (tmp_path / "parts" / name for name in station.keep(upload, part))
    with Image.open(picture) as first, Image.open(heat) as second:
        assert first.format == second.format == "WEBP"
        difference = np.abs(np.asarray(first, int) - np.asarray(second, int)).max(-1)
    assert difference[29, 34] > difference[2, 2] + 20  # heat on the spot, not in the corner
    assert picture.stat().st_mode & 0o777 == 0o600
