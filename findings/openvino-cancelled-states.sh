#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# OpenVINO 2026.4.1, CPU: a request that was cancelled leaves some of its states longer than others.
#
# One would expect: `infer` that ends with an exception leaves the states of the request as they were, or all of them
# updated.
# What happens, for a stack of layers each of which appends its input to a state of its own, as a language model appends
# to its caches: after `cancel()` from another thread, the states of the first layers have grown and those of the others
# have not. No call says so, and the next `infer` runs without an error, with caches that are shifted against each
# other. So after a cancelled request, cut or reset every state before going on.
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

LAYERS, WIDTH, ROWS = 12, 1024, 256
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
request = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
held = np.ones((4, WIDTH), np.float32)
batch = np.ones((ROWS, WIDTH), np.float32)


def lengths():
    return [state.state.shape[0] for state in sorted(request.query_state(), key=lambda state: state.name)]


partly, cancelled = None, 0
began = time.monotonic()
request.reset_state()
request.infer([held])
request.infer([batch])
whole = time.monotonic() - began
for attempt in range(400):
    request.reset_state()
    request.infer([held])
    timer = threading.Timer(whole * (attempt % 20) / 20, request.cancel)
    timer.start()
    try:
        request.infer([batch])
    except Exception:
        cancelled += 1
    timer.join()
    if len(set(lengths())) > 1:
        partly = lengths()
        break
print(f"cancelled {cancelled} times; states of {LAYERS} layers then: {partly}")
if partly is None:
    sys.exit("CHANGED: no cancelled request left states of different lengths")
after = request.infer([held])[0]
print(f"the next infer runs: {after.shape[0]} rows, states {lengths()}")
print("as found: a cancelled request leaves states of different lengths, and the next one computes with them")
PY
