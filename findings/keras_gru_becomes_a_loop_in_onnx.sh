#!/usr/bin/env bash
# tf2onnx has rewriters that turn a GRU or LSTM of Keras into the operator of ONNX of that name.
# They look for the graph of Keras 2; what Keras 3 traces for the same layer they do not know, and
# `model.export("gru.onnx", format="onnx")` says nothing: the file holds an ONNX Loop that takes
# one step after the other. ONNX Runtime computes the same numbers, but takes about five times as
# long as for its own GRU with the same weights: 30 ms against 6 for 2,000 steps of 128 units.
# Found with Keras 3.15.1, TensorFlow 2.21.0, tf2onnx 1.17.0 and ONNX Runtime 1.32.0.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check tensorflow==2.21.0 keras==3.15.1 \
  tf2onnx==1.17.0 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 2>/dev/null
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - 2>/dev/null <<'PY'
import time

import keras
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

units, bands, steps = 128, 72, 2000
layer = keras.layers.GRU(units, return_sequences=True, reset_after=True)
inputs = keras.Input((None, bands), name="x")
model = keras.Model(inputs, layer(inputs))
x = np.random.default_rng(0).normal(size=(1, steps, bands)).astype("float32")
wanted = np.asarray(model(x))
model.export("gru.onnx", format="onnx", verbose=False)
kinds = {node.op_type for node in onnx.load("gru.onnx").graph.node}

# The same layer as one operator: gates z, r, h in the order of Keras, both offsets.
kernel, recurrent, bias = (np.asarray(w) for w in layer.get_weights())
arrays = {"W": kernel.T[None], "R": recurrent.T[None], "B": bias.reshape(1, -1)}
node = helper.make_node(
    "GRU", ["x", *arrays], ["y"], hidden_size=units, linear_before_reset=1
)
graph = helper.make_graph(
    [node],
    "g",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1, bands])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    [numpy_helper.from_array(np.ascontiguousarray(a), n) for n, a in arrays.items()],
)
opset = [helper.make_opsetid("", 18)]
one = helper.make_model(graph, opset_imports=opset, ir_version=9)


def run(session, x):
    name = session.get_inputs()[0].name
    times = []
    for _ in range(5):
        start = time.perf_counter()
        (y,) = session.run(None, {name: x})
        times.append(time.perf_counter() - start)
    return y, sorted(times)[2]


loop, slow = run(ort.InferenceSession("gru.onnx"), x)
own, fast = run(ort.InferenceSession(one.SerializeToString()), x.transpose(1, 0, 2))
off = max(abs(loop - wanted).max(), abs(own[:, 0, 0] - wanted[0]).max())
print(f"operators: {sorted(kinds & {'Loop', 'GRU'})}; {1000 * slow:.0f} ms by the loop, "
      f"{1000 * fast:.1f} ms by ONNX Runtime's GRU: {slow / fast:.0f} times; numbers differ by {off:.0e}")
assert "Loop" in kinds and "GRU" not in kinds and off < 1e-4 and slow > 2 * fast
PY
