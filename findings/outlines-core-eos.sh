#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# outlines-core 0.2.14: the guide lists the end-of-sequence (EOS) token as allowed and then refuses it.
#
# One would expect: each token of `get_tokens()` can be given to `advance`, and `accepts_tokens` says yes to a draft
# of which each token was in `get_tokens()` when its turn came. A complete answer ends with EOS.
# What happens, for the regular expression "ab?" and the text "a": `get_tokens()` lists EOS, `advance(EOS)` raises and
# `accepts_tokens(["a", EOS])` is False. The index allows EOS in a final state and has no next state for it.
# So an engine that checks drafts by `accepts_tokens` rejects each draft that ends the answer, and must cut EOS off.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip install --quiet --no-deps --target "$work/packages" outlines-core==0.2.14
PYTHONPATH=$work/packages python3 - <<'PY'
import sys
from outlines_core import Guide, Index, Vocabulary

a, b, eos = 0, 1, 2
guide = Guide(Index("ab?", Vocabulary(eos, {"a": [a], "b": [b]})))
accepts_text, accepts_ended = guide.accepts_tokens([a, b]), guide.accepts_tokens([a, eos])
guide.advance(a)
allowed = sorted(guide.get_tokens())
try:
    guide.advance(eos)
    outcome = "accepted"
except ValueError as error:
    outcome = f"ValueError: {error}"
print("accepts_tokens([a, b]):", accepts_text)
print("accepts_tokens([a, EOS]):", accepts_ended)
print("allowed after a:", allowed, "where EOS is", eos)
print("advance(EOS):", outcome)
if not (accepts_text and not accepts_ended and allowed == [b, eos] and outcome.startswith("ValueError")):
    sys.exit("CHANGED: EOS was expected in the list of allowed tokens and refused as a step")
print("as found: EOS is allowed by the mask and refused by advance and accepts_tokens")
PY
