#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# gguf 0.19.0 (Python): metadata arrays do not survive a round trip through its own writer and reader.
#
# One would expect: `GGUFReader` gives back what `GGUFWriter.add_array` was given, or `add_array` raises.
# What happens: an empty array is dropped with its key, without a word, so "no merges" and "merges unknown" read alike.
# An array of arrays is stored as such, but `contents()` joins it: [[1, 2], [3]] and [[1], [2, 3]] both read [1, 2, 3].
# And a list of integers becomes 32 bits wide, so 2**31 raises struct.error when the file is written, not when the key
# is added. `add_array` has no way to say the width; `add_key_value` with `sub_type` has.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip install --quiet --no-deps --target "$work/packages" gguf==0.19.0 numpy==2.4.6 tqdm==4.70.1 \
    pyyaml==6.0.4 requests==2.34.2 urllib3==2.8.0 idna==3.20 certifi==2026.10.19.post1 charset-normalizer==3.5.3
WORK=$work PYTHONPATH=$work/packages python3 - <<'PY'
import os, struct, sys
from gguf import GGUFReader, GGUFWriter

path = os.path.join(os.environ["WORK"], "metadata.gguf")


def round_trip(value):
    writer = GGUFWriter(path, "test")
    writer.add_array("key", value)
    writer.write_header_to_file()
    try:
        writer.write_kv_data_to_file()
    except struct.error:
        return "struct.error when written"
    finally:
        writer.close()
    field = GGUFReader(path).get_field("key")
    return "no key" if field is None else field.contents()


values = [[1, 2], []], [[[1, 2], [3]], [[1], [2, 3]]], [[2**31 - 1], [2**31]]
seen = [[round_trip(value) for value in pair] for pair in values]
for pair, read in zip(values, seen):
    print(f"written {pair[0]} and {pair[1]}, read {read[0]} and {read[1]}")
wanted = [[[1, 2], "no key"], [[1, 2, 3], [1, 2, 3]], [[2**31 - 1], "struct.error when written"]]
if seen != wanted:
    sys.exit(f"CHANGED: expected {wanted}")
print("as found: empty arrays vanish, nested ones are joined, integers beyond 32 bits fail late")
PY
