"""Export a model to ONNX or OpenVINO."""
