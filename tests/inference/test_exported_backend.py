import sys

import numpy as np
import pytest

from dmad.errors import DmadError
from dmad.inference.exported_backend import ExportedBackend, load_graph


def echo(inputs):
    """A graph whose score is the brightness of the frames plus that of the background."""
    score = inputs["frames"].mean((1, 2, 3, 4)) + inputs["background"].mean((1, 2, 3))
    return {"terms": score[:, None].astype(np.float32), "map": inputs["frames"][:, -1, ..., 0]}


@pytest.fixture
def windows() -> np.ndarray:
    return np.arange(3, dtype=np.uint8)[:, None, None, None, None] * np.ones((5, 4, 4, 1), np.uint8)


def test_windows_run_one_at_a_time_and_are_stacked(windows):
    backend = ExportedBackend(echo, np.full((2, 1, 4, 4), 0.25, np.float32))
    outputs = backend(windows, np.full((3, 1, 4, 4), 0.5, np.float32))
    assert outputs["terms"][:, 0].tolist() == [0.5, 1.5, 2.5]
    assert outputs["map"].shape == (3, 4, 4)


def test_each_window_may_have_its_own_background(windows):
    backgrounds = np.array([0.0, 0.5, 1.0], np.float32)[:, None, None, None] * np.ones(
        (1, 4, 4), np.float32
    )
    outputs = ExportedBackend(echo, None)(windows, backgrounds)
    assert outputs["terms"][:, 0].tolist() == [0.0, 1.5, 3.0]


def test_one_background_serves_all_windows(windows):
    outputs = ExportedBackend(echo, None)(windows, np.full((1, 1, 4, 4), 0.5, np.float32))
    assert outputs["terms"][:, 0].tolist() == [0.5, 1.5, 2.5]


def test_the_first_template_is_used_if_none_is_given(windows):
    templates = np.stack([np.full((1, 4, 4), level, np.float32) for level in (0.25, 0.75)])
    outputs = ExportedBackend(echo, templates)(windows, None)
    assert outputs["terms"][:, 0].tolist() == [0.25, 1.25, 2.25]


@pytest.mark.parametrize(("name", "package"), [("a.onnx", "onnxruntime"), ("a.xml", "openvino")])
def test_a_missing_package_is_named(tmp_path, monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)  # so that importing it fails
    with pytest.raises(DmadError, match=f"pip install {package}"):
        load_graph(tmp_path / name, "fp32")


@pytest.mark.parametrize(("name", "package"), [("a.onnx", "onnxruntime"), ("a.xml", "openvino")])
def test_a_damaged_graph_is_refused(tmp_path, name, package):
    pytest.importorskip(package, reason="needs pip install '.[export]'")
    (tmp_path / name).write_bytes(b"no graph")
    with pytest.raises(DmadError, match=r"cannot be read \(.*\); export it again"):
        load_graph(tmp_path / name, "fp32")


def test_a_graph_without_drawings_is_refused(tmp_path):
    onnx = pytest.importorskip("onnx", reason="needs pip install '.[export]'")
    pytest.importorskip("onnxruntime", reason="needs pip install '.[export]'")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    frames = helper.make_tensor_value_info("frames", kind, [1])
    terms = helper.make_tensor_value_info("terms", kind, [1])
    node = helper.make_node("Identity", ["frames"], ["terms"])
    graph = helper.make_graph([node], "old", [frames], [terms])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "old.onnx")
    with pytest.raises(DmadError, match="has no outputs for pictures; export it again"):
        load_graph(tmp_path / "old.onnx", "fp32")
