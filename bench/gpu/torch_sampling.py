# SPDX-License-Identifier: MIT
"""Measures drawing by top-k and top-p with PyTorch, and the comparison with the drafts that follows it; prints lines of
JSON.

The shapes, the replayed graphs and the counting are those of sample.cu; what is drawn is another sample.
"""

import torch
from torch_argmax import (
    DRAFTED,
    HOT_CALLS,
    best_tokens,
    copies_of,
    measure,
    print_launches,
    print_record,
)

TOP_K = 50
TOP_P = 0.9


def make_rows(rows, vocabulary, dtype, copies):
    logits = torch.rand(rows, vocabulary, device="cuda") * 16 - 8
    for place in range(64):
        logits[torch.arange(rows), (best_tokens(rows, vocabulary) + 499 * place) % vocabulary] = 30 - 0.154 * place
    return logits.to(dtype).expand(copies, rows, vocabulary).contiguous()


def verify(logits, drafts):
    """Accepted length and next token of every request, from all rows."""
    requests, drafted = drafts.shape
    values, tokens = torch.topk(logits, TOP_K, dim=-1)
    shares = torch.softmax(values.float(), dim=-1)
    shares = torch.where(shares.cumsum(dim=-1) - shares < TOP_P, shares, 0.0)
    # Dividing by exponential noise draws in the proportion of the shares, without waiting for the device.
    chosen = (shares / torch.empty_like(shares).exponential_()).argmax(dim=-1, keepdim=True)
    drawn = tokens.gather(-1, chosen).view(requests, drafted + 1)
    accepted = (drawn[:, :drafted] == drafts).to(torch.int32).cumprod(dim=1).sum(dim=1)
    return accepted, drawn.gather(1, accepted.view(-1, 1).long())


def measure_shape(requests, vocabulary, dtype, scalar):
    rows = requests * (DRAFTED + 1)
    size = rows * vocabulary * dtype.itemsize
    copies = copies_of(size)
    logits = make_rows(rows, vocabulary, dtype, copies)
    drafts = best_tokens(rows, vocabulary).view(requests, DRAFTED + 1)[:, :DRAFTED].cuda()
    for cache, calls, call in (
        ("hot", HOT_CALLS, lambda index: verify(logits[0], drafts)),
        ("streamed", copies, lambda index: verify(logits[index], drafts)),
    ):
        measured = measure(calls, call)
        # What is accepted does not change its work.
        for accepted in (3, 10):
            print_record(requests, DRAFTED, accepted, vocabulary, scalar, cache, size, measured)


def main():
    for vocabulary, requests in ((151936, 1), (151936, 8), (128256, 8), (128256, 64)):
        for dtype, scalar in ((torch.bfloat16, "bf16"), (torch.float32, "fp32")):
            measure_shape(requests, vocabulary, dtype, scalar)
            torch.cuda.empty_cache()
    rows = make_rows(DRAFTED + 1, 32000, torch.bfloat16, 1)
    drafts = best_tokens(DRAFTED + 1, 32000).view(1, DRAFTED + 1)[:, :DRAFTED].cuda()
    print_launches("torch, drawn", lambda: verify(rows[0], drafts))


if __name__ == "__main__":
    main()
