#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tokenizers 0.23.3 against tiktoken 0.14.0: ids beyond the vocabulary decode to nothing, without an error.
#
# One would expect: an id that no token has is a caller's error and raises, as in tiktoken (KeyError).
# What happens: `Tokenizer.decode` and `DecodeStream.step` skip such ids. The text looks whole.
# It matters because models pad their logits: a row may be hundreds of entries longer than the vocabulary. A sampler or
# a drafter that picks an index in the padding generates tokens that cost passes, fill the KV cache, count against the
# token limit and never show in the text. Compare ids with the tokenizer's size, not with the length of the row.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip install --quiet --no-deps --target "$work/packages" tokenizers==0.23.3 tiktoken==0.14.0 regex==2026.11.19
PYTHONPATH=$work/packages python3 - <<'PY'
import sys
import tiktoken
from tokenizers import Tokenizer, decoders, models

letters = {"a": 0, "b": 1}
tokenizer = Tokenizer(models.BPE(vocab=letters, merges=[]))
tokenizer.decoder = decoders.Fuse()
encoding = tiktoken.Encoding("letters", pat_str=".", special_tokens={},
                             mergeable_ranks={text.encode(): token for text, token in letters.items()})
padding = len(letters)  # the first id after the vocabulary
ids = [0, padding, 1, padding + 1000]
stream = decoders.DecodeStream()
text, steps = tokenizer.decode(ids), [stream.step(tokenizer, token) for token in ids]
try:
    other = encoding.decode(ids)
except KeyError:
    other = "KeyError"
print(f"ids {ids}, vocabulary {len(letters)}")
print("tokenizers decode:", repr(text), "steps:", steps)
print("tiktoken decode:", other)
if text != "ab" or steps != ["a", None, "b", None] or other != "KeyError":
    sys.exit("CHANGED: expected 'ab' without an error from tokenizers and a KeyError from tiktoken")
print("as found: tokenizers drops ids beyond the vocabulary silently")
PY
