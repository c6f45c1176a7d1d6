#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# OpenVINO 2026.4.1, CPU: reading a state and writing it back changes what the model computes next.
#
# One would expect: `set_state(get_state())` does nothing, at least when the model is compiled with INFERENCE_PRECISION
# f32 and KV_CACHE_PRECISION f32, and the state is then held as f32.
# What happens, for a graph whose variable is declared f16, as the caches of exported and converted language models are:
#   - the plugin computes and holds the state in f32: sums go on with all bits;
#   - `get_state` hands it out in the type of the graph, f16, so writing it back rounds it, and the next outputs change.
# Declaring the variable f32 in the graph, before compiling it, makes the round trip exact. So whoever saves, cuts or
# copies caches through states must look at the type of the variable, not at the precision that the model was compiled
# with.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip install --quiet --target "$work/packages" openvino==2026.4.1
PYTHONPATH=$work/packages python3 - <<'PY'
import sys

import numpy as np
import openvino as ov
from openvino import opset13 as op
from openvino.op.util import Variable, VariableInfo

EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}


def running_sum(kind):
    """A model that adds its input to a state of this type, and returns the sum in f32."""
    info = VariableInfo()
    info.data_shape, info.data_type, info.variable_id = ov.PartialShape([1, 8]), kind, "sum"
    variable = Variable(info)
    added = op.parameter([1, 8], ov.Type.f32)
    old = op.read_value(op.constant(np.zeros((1, 8)), kind), variable)
    new = op.add(op.convert(old, "f32"), added)
    assign = op.assign(op.convert(new, kind.get_type_name()), variable)
    return ov.Model([op.result(new)], [assign], [added])


seen = {}
step = np.full((1, 8), 1 + 2.0**-13, np.float32)  # has a bit that f16 does not
for kind in (ov.Type.f16, ov.Type.f32):
    request = ov.Core().compile_model(running_sum(kind), "CPU", EXACT).create_infer_request()
    for touched in (False, True):
        request.reset_state()
        request.infer([step])
        state = request.query_state()[0]
        if touched:
            state.state = ov.Tensor(state.state.data.copy())
        result = float(request.infer([step])[0][0, 0])
        seen[f"{kind.get_type_name()}, {'read and written back' if touched else 'left alone'}"] = (
            state.state.element_type.get_type_name(), result - 2)
for name, value in seen.items():
    print(f"{name}: handed out as {value[0]}, second sum is 2 + {value[1]:.6f}")
exact, rounded = 2 * 2.0**-13, 2.0**-13
if list(seen.values()) != [("f16", exact), ("f16", rounded), ("f32", exact), ("f32", exact)]:
    sys.exit("CHANGED: expected f16 with all bits if left alone, rounded if written back, and f32 exact")
print("as found: a state is held in f32 and handed out rounded to the type of the graph")
PY
