#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tokenizers 0.23.3, byte fallback (Llama 2 style vocabularies): a later token takes back text already decoded.
#
# One would expect: decoding more ids only adds text. A character that is complete stays, an incomplete one at the
# end shows as U+FFFD until its bytes arrive. SentencePiece 0.2.3 decodes like that.
# What happens: the decoder joins each run of byte tokens and replaces every byte of the run by U+FFFD if any part of
# it is not valid UTF-8. The ids of "é" (two bytes) decode to "é"; with the first byte of another character after
# them, to three U+FFFD. `DecodeStream` has returned "é" by then: when the next token arrives it raises an exception.
# So a streaming server or a stop-string check must not assume that decoded text is a prefix of what comes later.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip install --quiet --no-deps --target "$work/packages" tokenizers==0.23.3
PYTHONPATH=$work/packages python3 - <<'PY'
import sys
from tokenizers import Tokenizer, decoders, models

vocabulary = {f"<0x{byte:02X}>": byte for byte in range(256)}
vocabulary.update({"a": 256, "<unk>": 257})
tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="<unk>"))
tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])

ids = [0xC3, 0xA9, 0xE6, 256]  # the two bytes of "é", the first of three of another character, and "a"
prefixes = [tokenizer.decode(ids[:count]) for count in (2, 3, 4)]
stream, steps = decoders.DecodeStream(), []
for token in ids:
    try:
        steps.append(stream.step(tokenizer, token))
    except Exception as error:
        steps.append("exception: " + str(error).split(".")[0])
print("decoded after 2, 3, 4 ids:", [ascii(text) for text in prefixes])
print("returned by each step:", [ascii(step) for step in steps])
wanted_steps = [None, "é", None, "exception: Invalid prefix encountered while decoding stream"]
if prefixes != ["é", "\ufffd" * 3, "\ufffd" * 3 + "a"] or steps != wanted_steps:
    sys.exit("CHANGED: expected a complete character to be taken back and the stream to raise")
print("as found: a complete character is replaced when an incomplete one comes after it")
PY
