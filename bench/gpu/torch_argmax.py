# SPDX-License-Identifier: MIT
"""Measures torch.argmax and the comparison with the drafts that follows it; prints lines of JSON.

The shapes, the replayed graphs and the counting are those of verify.cu.
"""

import json
import statistics

import torch

DRAFTED = 10
STREAMED_BYTES = 128 << 20
HOT_CALLS = 50


def best_tokens(rows, vocabulary):
    return (torch.arange(rows, dtype=torch.int64) * 7919 + 13) % vocabulary


def make_workload(requests, drafted, accepted, vocabulary, dtype, copies):
    rows = requests * (drafted + 1)
    best = best_tokens(rows, vocabulary)
    logits = torch.randn(copies, rows, vocabulary, device="cuda", dtype=dtype)
    logits[:, torch.arange(rows), best] = 40.0
    right = best.view(requests, drafted + 1)[:, :drafted]
    wrong = (right + 1) % vocabulary
    drafts = torch.where(torch.arange(drafted) < accepted, right, wrong).cuda()
    return logits, drafts


def verify(logits, drafts):
    """Accepted length and next token of every request, from all rows."""
    requests, drafted = drafts.shape
    tokens = torch.argmax(logits, dim=-1).view(requests, drafted + 1)
    accepted = (tokens[:, :drafted] == drafts).to(torch.int32).cumprod(dim=1).sum(dim=1)
    return accepted, tokens.gather(1, accepted.view(-1, 1))


def copies_of(size):
    """How many times rows of so many bytes are needed to have others in turn, more than a cache holds."""
    return max(2, -(-STREAMED_BYTES // size))


def print_launches(what, function):
    """How many kernels and copies a call enqueues. At the end: who was profiled once may be slower from then on."""
    function()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        function()
        torch.cuda.synchronize()
    count = sum(1 for event in profile.events() if event.device_type == torch.autograd.DeviceType.CUDA)
    if count == 0:
        raise RuntimeError("the profiler saw nothing of the device")
    print(json.dumps({"launches_of": what, "launches": count}), flush=True)


def measure(calls, call):
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        call(0)
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = [call(index) for index in range(calls)]
    begin = torch.cuda.Event(enable_timing=True)
    end = torch.cuda.Event(enable_timing=True)
    means = []
    spent = 0.0
    for _ in range(3):
        graph.replay()
    while len(means) < 7 or (len(means) < 21 and spent < 50):
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        spent += begin.elapsed_time(end)
        means.append(1000.0 * begin.elapsed_time(end) / calls)
    del kept
    return statistics.median(means), min(means)


def print_record(requests, drafted, accepted, vocabulary, scalar, cache, size, measured):
    median, fastest = measured
    record = {
        "what": "torch",
        "rows": requests * (drafted + 1),
        "requests": requests,
        "drafted": drafted,
        "accepted": accepted,
        "vocabulary": vocabulary,
        "scalar": scalar,
        "cache": cache,
        "bytes": size,
        "microseconds": median,
        "fastest": fastest,
    }
    print(json.dumps(record), flush=True)


def measure_shape(requests, drafted, accepted, vocabulary, dtype, scalar):
    rows = requests * (drafted + 1)
    size = rows * vocabulary * dtype.itemsize
    copies = copies_of(size)
    logits, drafts = make_workload(requests, drafted, accepted, vocabulary, dtype, copies)
    found, _ = verify(logits[0], drafts)
    if not bool((found == accepted).all()):
        raise RuntimeError("torch.argmax accepted something else")
    for cache, calls, call in (
        ("hot", HOT_CALLS, lambda index: verify(logits[0], drafts)),
        ("streamed", copies, lambda index: verify(logits[index], drafts)),
    ):
        print_record(requests, drafted, accepted, vocabulary, scalar, cache, size, measure(calls, call))


def main():
    print(json.dumps({"torch": torch.__version__}), flush=True)
    for vocabulary in (32000, 128256, 151936):
        for requests in (0, 1, 8, 64):
            for accepted in (0, 3, 10):
                drafted = DRAFTED if requests else 0
                if accepted > drafted:
                    continue
                for dtype, scalar in ((torch.bfloat16, "bf16"), (torch.float32, "fp32")):
                    measure_shape(max(requests, 1), drafted, accepted, vocabulary, dtype, scalar)
                    torch.cuda.empty_cache()
    logits, drafts = make_workload(1, DRAFTED, DRAFTED, 32000, torch.bfloat16, 1)
    print_launches("torch", lambda: verify(logits[0], drafts))


if __name__ == "__main__":
    main()
