"""`dmad export`."""

import pytest


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ([], "missing: --format; see `dmad export --help`"),
        (["--format", "coreml"], "--format is 'coreml'; give one of onnx, openvino"),
        (["--format", "onnx", "--precision", "fp64"], "give one of fp32, bf16, int8"),
    ],
)
def test_a_wrong_option_is_one_line(refused, trained, options, hint):
    assert hint in refused("export", trained, *options)


def test_export_prints_its_folder_last(dmad, trained, tmp_path):
    pytest.importorskip("onnxruntime")
    out_dir = tmp_path / "onnx"
    code, out, err = dmad("export", trained, "--format", "onnx", "--out", out_dir)
    assert code == 0, err
    assert out.splitlines()[-1] == str(out_dir)
    assert (out_dir / "model.json").is_file()
