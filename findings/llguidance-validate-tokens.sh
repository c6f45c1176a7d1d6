#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# llguidance 1.9.1: three calls disagree on whether a draft may end with the end-of-sequence (EOS) token.
#
# One would expect: the mask, `validate_tokens` (how much of a draft is valid) and `try_consume_tokens` (consume it)
# agree on every token, and checking a draft in two parts gives the same count as checking it at once.
# What happens, for the grammar /ab/ and the draft "a", "b", EOS:
#   - `validate_tokens` of the whole draft counts 3 valid tokens, `try_consume_tokens` of the same draft consumes 2;
#   - after "a" and "b" the mask allows EOS, and only EOS, but `validate_tokens([EOS])` counts 0.
# The matcher stops by itself when the grammar cannot continue, and EOS is then not consumed. For /a*/, where EOS
# ends the text, all calls agree. So roll back by what `try_consume_tokens` returned, not by what was validated.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip install --quiet --no-deps --target "$work/packages" llguidance==1.9.1
PYTHONPATH=$work/packages python3 - <<'PY'
import sys
from llguidance import LLMatcher, LLTokenizer

tokenizer = LLTokenizer("byte")  # built in: one token per byte
eos = tokenizer.eos_token


def matcher(regex, text=b""):
    result = LLMatcher(tokenizer, LLMatcher.grammar_from_regex(regex))
    assert result.try_consume_tokens(list(text)) == len(text)
    return result


def allows(m, token):
    return bool(m.compute_bitmask()[token // 8] >> token % 8 & 1)


draft = list(b"ab") + [eos]
seen = {
    "/ab/ validate a b EOS": matcher("ab").validate_tokens(draft),
    "/ab/ consume a b EOS": matcher("ab").try_consume_tokens(draft),
    "/ab/ after a b, mask allows EOS": allows(matcher("ab", b"ab"), eos),
    "/ab/ after a b, validate EOS": matcher("ab", b"ab").validate_tokens([eos]),
    "/a*/ validate a a EOS": matcher("a*").validate_tokens(list(b"aa") + [eos]),
    "/a*/ consume a a EOS": matcher("a*").try_consume_tokens(list(b"aa") + [eos]),
}
for name, value in seen.items():
    print(f"{name}: {value}")
if list(seen.values()) != [3, 2, True, 0, 3, 3]:
    sys.exit("CHANGED: expected 3, 2, True, 0, 3, 3")
print("as found: a draft that validates in full is not consumed in full")
PY
