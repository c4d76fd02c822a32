import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dmad.data.templates import template_index
from dmad.errors import DmadError
from dmad.inference.detector import Detector, load
from dmad.model.pdm import PDM
from dmad.runs import save_model

TERMS = ("score", "reconstruction", "deformation")


@pytest.fixture
def detector(random_model, tiny) -> Detector:
    return Detector(random_model, tiny(None), device="cpu")


def scores(parts) -> np.ndarray:
    return np.concatenate([part.scores.score.double().numpy() for part in parts])


def test_frames_without_a_past_have_no_score(detector, frames_of):
    result = detector(frames_of(3, 11))
    for values in (*(getattr(result, term) for term in TERMS), *result.released.values()):
        assert values.shape == (11,)
        assert values.dtype == np.float64
        assert np.isnan(values[:4]).all()
        assert np.isfinite(values[4:]).all()
    assert (result.deformation[4:] > 0).all()
    expected = result.reconstruction + detector.config.score.alpha * result.deformation
    np.testing.assert_allclose(result.score, expected, rtol=1e-5)


@pytest.mark.parametrize("count", [0, 3, 4])
def test_a_clip_too_short_has_no_scores(detector, frames_of, count):
    frames = frames_of(3, 5)[:count]
    assert list(detector.explain(frames)) == []


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_streamed_equals_batched(detector, frames_of, batch):
    frames = frames_of(3, 21)
    parts = list(detector.explain(iter(frames), batch=batch))
    np.testing.assert_allclose(scores(parts), detector(frames).score[4:], atol=1e-5)
    assert np.concatenate([part.index for part in parts]).tolist() == list(range(4, 21))
    assert (np.concatenate([part.frames for part in parts]) == frames[4:]).all()


def test_a_stream_is_judged_as_it_comes(detector, frames_of):
    frames, taken = frames_of(3, 9), []
    source = (taken.append(None) or frame for frame in frames)
    judged = detector.explain(source, batch=1)
    next(judged)
    assert len(taken) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((9, 32, 32), np.uint8),
        np.zeros((9, 32, 32, 3), np.uint8),
        np.zeros((9, 16, 32, 1), np.uint8),
        np.zeros((9, 32, 32, 1), np.float32),
    ],
    ids=["no channels", "colour", "size", "floats"],
)
def test_frames_of_another_shape_are_refused(detector, wrong):
    with pytest.raises(DmadError, match=r"give uint8 \(N, 32, 32, 1\)"):
        detector(wrong)


def test_an_unseen_scene_uses_only_its_own_past(detector, frames_of):
    frames = frames_of(3, 24)
    changed = frames.copy()
    changed[17:] = 255 - changed[17:]
    for batch in (1, 8):
        whole = scores(detector.explain(frames, "elsewhere", batch))
        other = scores(detector.explain(changed, "elsewhere", batch))
        assert (whole[:13] == other[:13]).all()
        assert (whole[13:] != other[13:]).any()


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_an_unseen_scene_is_scored_alike_in_any_batch(detector, frames_of, batch):
    frames = frames_of(3, 80)
    whole = scores(detector.explain(frames, "elsewhere"))
    np.testing.assert_allclose(
        scores(detector.explain(frames, "elsewhere", batch)), whole, rtol=1e-4
    )


def test_an_unseen_scene_does_not_use_the_trained_template(random_model, tiny, frames_of):
    frames = frames_of(3, 12)
    found = []
    for level in (-1.0, 1.0):
        random_model.background.data.fill_(level)
        judge = Detector(random_model, tiny(None), ("known",), device="cpu")
        found.append([judge(frames, scene).score[4:] for scene in ("known", "elsewhere")])
    (known, unseen), (known_too, unseen_too) = found
    assert not np.allclose(known, known_too)
    assert (unseen == unseen_too).all()


def test_what_is_no_clip_is_refused(detector, frames_of):
    with pytest.raises(DmadError, match="4 frames are given, and 5 are needed"):
        detector(frames_of(3, 4))
    with pytest.raises(DmadError, match="frames are a str"):
        detector("video.mp4")


def test_a_clip_without_a_view_is_of_the_only_one(random_model, tiny, frames_of):
    frames = frames_of(3, 12)
    judge = Detector(random_model, tiny(None), ("known",), device="cpu")
    np.testing.assert_array_equal(judge(frames).score, judge(frames, "known").score)
    assert template_index("", ("a", "b")) is None
    assert template_index("b", ("a", "b")) == 1


def test_images_of_an_unseen_scene_have_scores(tiny, frames_of):
    config = tiny(None, data={"history": 0})
    judge = Detector(PDM(config.model, 32, 1, 0), config, ("known",), device="cpu")
    assert np.isfinite(judge(frames_of(3, 10), "elsewhere").score).all()


def test_fast_computes_the_same(random_model, tiny, frames_of, monkeypatch):
    monkeypatch.setattr("dmad.inference.detector.has_fast_bf16", lambda _: False)
    frames = frames_of(3, 12)
    quick, plain = (
        Detector(random_model, tiny(None), device="cpu", fast=fast)(frames)
        for fast in (True, False)
    )
    for term in TERMS:
        np.testing.assert_allclose(
            getattr(quick, term)[4:], getattr(plain, term)[4:], rtol=1e-4, err_msg=term
        )


def test_a_run_loads_by_folder_and_by_file(trained, frames_of):
    frames = frames_of(3, 9)
    by_folder, by_file = load(trained), load(str(trained / "model.safetensors"))
    assert by_folder.config == by_file.config
    assert (by_folder(frames).score[4:] == by_file(frames).score[4:]).all()


def test_half_precision_files_load(trained, tmp_path, frames_of):
    half = {n: t.half() for n, t in load_file(trained / "model.safetensors").items()}
    save_file(half, tmp_path / "small.safetensors")
    (tmp_path / "small.json").write_text((trained / "model.json").read_text())
    small, frames = load(tmp_path / "small.safetensors"), frames_of(3, 9)
    assert {p.dtype for p in small.model.parameters()} == {torch.float32}
    np.testing.assert_allclose(small(frames).score[4:], load(trained)(frames).score[4:], rtol=0.05)


def test_a_saved_model_scores_as_before(random_model, tiny, tmp_path, frames_of):
    config, frames = tiny(None), frames_of(3, 9)
    save_model(tmp_path, random_model, {"scenes": [""]}, config)
    np.testing.assert_array_equal(
        load(tmp_path, device="cpu")(frames).score,
        Detector(random_model, config, device="cpu")(frames).score,
    )


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model.safetensors", b"\x00" * 20, "damaged"),
        ("model.safetensors", b"", "damaged"),
        ("model.json", b'{"config": ', "JSON"),
        ("model.json", b"{}", "restore the file"),
    ],
)
def test_damaged_models_are_refused(trained, tmp_path, file, content, message):
    for name in ("model.safetensors", "model.json"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DmadError, match=message):
        load(tmp_path)


def test_weights_of_another_model_are_refused(trained, tmp_path):
    card = json.loads((trained / "model.json").read_text())
    card["config"]["model"]["memory_items"] = 7
    (tmp_path / "model.json").write_text(json.dumps(card))
    (tmp_path / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    with pytest.raises(DmadError, match=r"model\.json"):
        load(tmp_path)


def test_weights_without_their_card_are_refused(trained, tmp_path):
    (tmp_path / "alone.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    with pytest.raises(DmadError, match="keep the two together"):
        load(tmp_path / "alone.safetensors")
