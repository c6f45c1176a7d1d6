#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ml_dtypes 0.6.0 with NumPy 2.4.6: `sum`, `mean` and `sort` of bfloat16 do not do what they do for float16.
#
# One would expect: bfloat16 behaves like NumPy's own float16 with fewer digits. `sum` of a row of probabilities is
# about 1, and `sort` puts NaN last, after the ordered rest.
# What happens: `sum` adds one value at a time in bfloat16, so 1000 probabilities of 0.001 sum to 0.5, where adding
# another changes nothing, and their mean is half of each of them. float16 gives 1 and 0.001. A sampler that normalizes
# by that sum is wrong by a factor of two. After `sort`, a single NaN leaves the numbers themselves out of order: of
# 5, NaN, 1, 4, 0, 2, 3 the 5 stays first and the 4 comes last, so a top-k by sorting loses the largest logit.
# Convert logits and probabilities to float32 before any reduction.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip install --quiet --no-deps --target "$work/packages" ml-dtypes==0.6.0 numpy==2.4.6
PYTHONPATH=$work/packages python3 - <<'PY'
import sys, warnings
import ml_dtypes
import numpy as np

warnings.filterwarnings("ignore")
seen = {}
for kind in (np.float16, ml_dtypes.bfloat16):
    probabilities = np.full(1000, 0.001, kind)
    logits = np.array([5, np.nan, 1, 4, 0, 2, 3], kind)
    ordered = np.sort(logits).astype(np.float32)
    numbers = ordered[~np.isnan(ordered)].tolist()
    total, mean = round(float(probabilities.sum()), 2), round(float(probabilities.mean()), 4)
    seen[kind] = (total, mean, numbers == sorted(numbers))
    print(f"{np.dtype(kind).name}: sum {total}, mean {mean}, sorted {ordered.tolist()}")
if seen[np.float16] != (1.0, 0.001, True) or seen[ml_dtypes.bfloat16] != (0.5, 0.0005, False):
    sys.exit("CHANGED: expected float16 right and bfloat16 a sum of 0.5 and numbers out of order")
print("as found: bfloat16 sums stall and a NaN breaks the order of its sort")
PY
