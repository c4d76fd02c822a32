"""Models that travel: ONNX and OpenVINO."""
