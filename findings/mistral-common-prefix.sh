#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# mistral-common 1.13.1, tokenizer v3 (Tekken): a chat's tokens are not a prefix of the same chat one turn later.
#
# One would expect: the system message and the tools come first, and a later turn only appends. Then the KV cache, a
# prefix cache and an index of the context stay valid from turn to turn, as a copying drafter hopes.
# What happens: the system message and the list of tools are put into the *last* user message. Each turn moves them,
# so the next prompt agrees with this one in its first token or two, and everything after that is prefilled again.
# Without a system message and tools, turns do append.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip install --quiet --no-deps --target "$work/packages" mistral-common==1.13.1 annotated-types==0.8.0 \
    attrs==26.1.0 certifi==2026.10.19.post1 charset-normalizer==3.5.3 idna==3.20 jsonschema==4.26.0 \
    jsonschema-specifications==2025.9.1 numpy==2.3.5 pillow==13.0.0 pycountry==26.2.16 pydantic==2.14.4 \
    pydantic-core==2.50.5 pydantic-extra-types==2.11.1 referencing==0.37.0 regex==2026.11.19 requests==2.34.2 \
    rpds-py==2026.9.1 tiktoken==0.14.0 typing-extensions==4.16.0 typing-inspection==0.4.5 urllib3==2.8.0
PYTHONPATH=$work/packages python3 - <<'PY'
import sys, warnings
warnings.filterwarnings("ignore")
from mistral_common.protocol.instruct.messages import AssistantMessage, SystemMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.protocol.instruct.tool_calls import Function, Tool
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

tokenizer = MistralTokenizer.v3(is_tekken=True)
tool = Tool(function=Function(name="add", description="Adds numbers.", parameters={"type": "object", "properties": {}}))
system = [SystemMessage(content="Answer in one word, and never explain the answer.")]
first = [UserMessage(content="What is one plus one?")]
second = first + [AssistantMessage(content="Two"), UserMessage(content="And two plus two?")]


def shared(before, tools):
    turns = [tokenizer.encode_chat_completion(ChatCompletionRequest(messages=before + turn, tools=tools)).tokens
             for turn in (first, second)]
    count = 0
    while count < len(turns[0]) and turns[0][count] == turns[1][count]:
        count += 1
    return count, len(turns[0])


seen = {"plain": shared([], None), "system message": shared(system, None), "tools": shared([], [tool])}
for name, (count, length) in seen.items():
    print(f"{name}: {count} of the first prompt's {length} tokens begin the second prompt")
if seen["plain"][0] != seen["plain"][1] or seen["system message"][0] > 2 or seen["tools"][0] > 2:
    sys.exit("CHANGED: expected a stable prefix without, and none with a system message or tools")
print("as found: a system message or tools move to the last user message")
PY
