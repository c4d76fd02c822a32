import numpy as np
import pytest

from dmad import recipes
from dmad.config import changed
from dmad.data.footage import Clip, Footage
from dmad.data.synthetic.anomalies import Sequences
from dmad.errors import DmadError
from dmad.export.compare import (
    RankingChange,
    TermChange,
    compare_ranking,
    compare_synthetic,
    compare_terms,
    generated_clip,
    ranked_scores,
)
from dmad.forms import form_of
from dmad.inference.detector import Detector


class Brightness:
    """A backend whose terms are the brightness of the last frame, and a third of it."""

    templates = None

    def __init__(self, gain: float = 1.0, largest: float = np.inf):
        self.gain, self.largest = gain, largest

    def __call__(self, windows, backgrounds):
        maps = windows[:, -1].mean(3).astype(np.float32)
        first = np.minimum(self.gain * maps.mean((1, 2)), self.largest)
        terms = np.stack([first + first / 3, first, first / 3], 1)
        return {"terms": terms, "reconstruction_map": maps, "deformation_map": maps}


@pytest.fixture
def detector_of(tiny):
    def make(config=None, gain=1.0, largest=np.inf):
        config = config or tiny(None)
        return Detector(Brightness(gain, largest), config, form_of(config))

    return make


def clips(*frames: np.ndarray) -> Footage:
    starts = np.cumsum([0, *map(len, frames)])
    pairs = zip(starts[:-1].tolist(), frames, strict=True)
    described = [Clip(f"{start}", "", start, len(one), 0.0) for start, one in pairs]
    return Footage(np.concatenate(frames), tuple(described), ())


def test_the_difference_is_a_share_of_the_mean_of_a_term(detector_of, frames_of):
    footage = clips(frames_of(1, 8), frames_of(2, 8))
    assert compare_terms(detector_of(), detector_of(), footage) == TermChange(0.0, 8)
    change = compare_terms(detector_of(), detector_of(gain=1.01), footage)
    assert change.largest == pytest.approx(0.01, rel=0.05)


def test_at_most_32_frames_are_compared(detector_of, frames_of):
    assert compare_terms(detector_of(), detector_of(), clips(frames_of(1, 60))).frames == 32


def test_without_frames_nothing_can_be_compared(detector_of):
    with pytest.raises(DmadError, match="no frames to compare with"):
        compare_terms(detector_of(), detector_of(), Footage(np.empty(0, np.uint8), (), ()))


def test_anomalies_whose_scores_are_cut_off_are_found_out(detector_of):
    """With a limit just above the normal scores, the AUROC is the same, but little is kept."""
    levels = np.array([40, 60, 150, 250], np.uint8)[:, None, None, None, None]
    frames = np.broadcast_to(levels, (4, 5, 32, 32, 1))
    normal, abnormal = (Sequences(frames[part], ("", "")) for part in (slice(2), slice(2, 4)))
    same = compare_synthetic(detector_of(), detector_of(), normal, abnormal)
    assert (same.auroc, same.auroc_pytorch, same.kept) == (1.0, 1.0, 1.0)
    cut = compare_synthetic(detector_of(), detector_of(largest=65.0), normal, abnormal)
    assert (cut.auroc, cut.auroc_pytorch) == (1.0, 1.0)
    assert cut.kept < 0.5


def test_frames_are_ranked_by_their_score(detector_of, frames_of):
    frames = frames_of(1, 7)
    scores = ranked_scores(detector_of(), clips(frames))
    np.testing.assert_array_equal(scores, detector_of()(frames).score)


def test_an_image_is_ranked_by_the_highest_terms_of_its_tiles(detector_of):
    config = changed(recipes.images(), size=64)
    levels = np.array([30, 90, 60, 0], np.uint8)
    tiles = np.broadcast_to(levels[:, None, None, None], (4, 64, 64, 3)).copy()
    footage = clips(tiles[:2], tiles[2:])
    alpha = config.score.alpha
    expected = [90 + alpha * 30, 60 + alpha * 20]
    assert ranked_scores(detector_of(config), footage) == pytest.approx(expected)


def test_the_ranking_of_a_labelled_test_split_is_compared(detector_of, tiny, normal_data):
    config = tiny(normal_data)
    change = compare_ranking(detector_of(config), detector_of(config, gain=2.0), config.data)
    assert isinstance(change, RankingChange)
    assert change.auroc == pytest.approx(change.auroc_pytorch)
    assert change.largest_change > 0.5


def test_without_labels_no_ranking_is_compared(detector_of, tiny, write_clip, tmp_path):
    write_clip(tmp_path / "train" / "a", 1)
    write_clip(tmp_path / "test" / "b", 2)
    config = tiny(tmp_path)
    assert compare_ranking(detector_of(config), detector_of(config), config.data) is None


def test_a_generated_clip_has_moving_frames_of_the_models_size(tiny):
    data = tiny(None).data
    footage = generated_clip(data, "street")
    (clip,) = footage.clips
    assert clip.scene == "street"
    assert footage.frames.shape == (clip.length, data.size, data.size, data.channels)
    assert footage.frames.dtype == np.uint8
    assert (footage.frames[1] != footage.frames[0]).any()
