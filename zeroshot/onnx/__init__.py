"""A trained model with a fixed list of labels as one ONNX file, for small machines."""
