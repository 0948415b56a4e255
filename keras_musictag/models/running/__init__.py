"""How networks are run: over whole tracks, on several devices, by ONNX Runtime."""
