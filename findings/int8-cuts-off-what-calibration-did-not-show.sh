#!/usr/bin/env bash
# What most people expect: post-training quantisation to int8 costs a little accuracy everywhere.
# The calibration data should be typical data of the application.
#
# What is true: in int8, every value beyond the range that calibration saw is cut off at the border
# of the range. And by default NNCF does not keep the largest value of all calibration samples, but
# the mean of the largest value of each sample. So even a sample with a large value hardly widens
# the range. With RangeEstimatorParametersSet.MINMAX it does.
#
# Where it matters: anomaly detection. The calibration data is normal, and what is abnormal lies
# beyond its range. All anomalies then get the same score, just above the normal scores. Detection
# still looks right on normal data. The remedy: calibrate with (synthetic) anomalies too, use
# MINMAX, and keep distances and score maps out of int8.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet nncf==3.4.0 openvino==2026.4.1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import logging
import sys

import nncf
import numpy as np
import openvino
from nncf.quantization.range_estimator import RangeEstimatorParametersSet
from openvino import opset13 as ops

nncf.set_log_level(logging.ERROR)
print("nncf", nncf.__version__, "openvino", openvino.__version__)

ONES = np.full((1, 4, 8, 8), 1.0, np.float32)


def convolution():
    """A convolution of 1 x 1 that returns its input."""
    image = ops.parameter([1, 4, 8, 8], np.float32, name="image")
    weight = ops.constant(np.eye(4, dtype=np.float32)[:, :, None, None])
    out = ops.convolution(image, weight, [1, 1], [0, 0], [0, 0], [1, 1])
    return openvino.Model([ops.result(out)], [image], "identity")


def output(samples, value, **options):
    """The int8 output for an image of this value, after calibration with these samples."""
    quantised = nncf.quantize(convolution(), nncf.Dataset(samples), subset_size=len(samples), **options)
    compiled = openvino.Core().compile_model(quantised, "CPU")
    return float(compiled(value * ONES)[0].max())


normal = [ONES] * 9
with_anomaly = [*normal, 10 * ONES]
widest = nncf.AdvancedQuantizationParameters(
    activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
)
of_normal = output(normal, 10)
of_mean = output(with_anomaly, 10)
of_all = output(with_anomaly, 10, advanced_parameters=widest)
print(f"input 10, calibrated with nine samples of 1:            output {of_normal:.2f}")
print(f"the same, and a tenth sample of 10 (default ranges):    output {of_mean:.2f}")
print(f"the same, and a tenth sample of 10 (MINMAX):            output {of_all:.2f}")
as_described = of_normal < 1.1 and of_mean < 2.5 and of_all > 9
print("as described" if as_described else "the behaviour has changed")
sys.exit(not as_described)
PYTHON
