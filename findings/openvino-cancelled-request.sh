#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# OpenVINO 2026.4.1, CPU: after a request was cancelled, the next one computes with shapes of the cancelled one.
#
# One would expect: `infer` that ends with an exception leaves the states of the request as they were, or all of them
# updated, and after `reset_state` the request is as new.
# What happens, for a stack of layers with dynamic shapes, each of which appends its input to a state of its own, as a
# language model appends to its caches: `cancel()` from another thread ends a pass of 256 rows. Then
#   - after `reset_state`, a pass of 4 rows returns 256 rows, or raises an error about shapes;
#   - so does a request made anew from the same compiled model.
# What helps: run a pass of the same shapes as the cancelled one to its end. Then passes of other shapes are right again.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip install --quiet --target "$work/packages" openvino==2026.4.1
PYTHONPATH=$work/packages python3 - <<'PY'
import sys
import threading
import time

import numpy as np
import openvino as ov
from openvino import opset13 as op
from openvino.op.util import Variable, VariableInfo

LAYERS, WIDTH, FEW, MANY = 12, 1024, 4, 256
weights = (np.random.default_rng(1).standard_normal((WIDTH, WIDTH)) / WIDTH**0.5).astype(np.float32)

rows = op.parameter([-1, WIDTH], ov.Type.f32)
hidden, assigns = rows, []
for layer in range(LAYERS):
    info = VariableInfo()
    info.data_shape, info.data_type = ov.PartialShape([-1, WIDTH]), ov.Type.f32
    info.variable_id = f"cache {layer:02}"
    variable = Variable(info)
    old = op.read_value(op.constant(np.zeros((0, WIDTH), np.float32)), variable)
    grown = op.concat([old, hidden], 0)
    assigns.append(op.assign(grown, variable))
    weight = op.constant(weights + np.float32(layer) * np.float32(1e-4))
    hidden = op.tanh(op.add(op.matmul(hidden, weight, False, False), op.reduce_mean(grown, np.array([0]), True)))
model = ov.Model([op.result(hidden)], assigns, [rows])
compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
few = np.ones((FEW, WIDTH), np.float32)
many = np.ones((MANY, WIDTH), np.float32)


def outcome(request):
    """How many rows a pass of few returns after a reset, or that it raised."""
    request.reset_state()
    try:
        return request.infer([few])[0].shape[0]
    except RuntimeError:
        return "error"


request = compiled.create_infer_request()
assert outcome(request) == FEW
began = time.monotonic()
request.infer([many])
whole = time.monotonic() - began
seen = {"next pass wrong": 0, "new request wrong": 0, "right again": 0}
for attempt in range(300):
    request.reset_state()
    timer = threading.Timer(whole * (attempt % 20) / 20, request.cancel)
    timer.start()
    try:
        request.infer([many])
        ended = True
    except RuntimeError:
        ended = False
    timer.join()
    if ended:
        continue
    if outcome(request) != FEW:
        seen["next pass wrong"] += 1
        if outcome(compiled.create_infer_request()) != FEW:
            seen["new request wrong"] += 1
    request.reset_state()
    request.infer([many])
    if outcome(request) == FEW:
        seen["right again"] += 1
    elif seen["next pass wrong"]:
        sys.exit("CHANGED: a pass of the cancelled shapes no longer helps")
    if seen["new request wrong"] == 5:
        break
print(", ".join(f"{name}: {count}" for name, count in seen.items()))
if not (seen["next pass wrong"] and seen["right again"]):
    sys.exit("CHANGED: expected wrong passes after a cancelled one, and right ones after one of its shapes")
print("as found: a cancelled request leaves its shapes to the next one, until a pass of these shapes has ended")
PY
