#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests copyspec-server under load, with the Python package of OpenAI as it is:

    python3 load.py --program copyspec-server --model FILE

Several threads ask for answers of all kinds. Then the server's metrics must be the sums of what the responses say of
their tokens, exactly; and each answer must be what the same request gets on the idle server, with drafts and plainly, or
differ from it at a near-tie as client.py defines it. An answer with a seed may part where the random number is near the
border between two tokens: such answers are counted, and their likeliest tokens must agree up to there. With `--weights
f32` hardly any answer parts; in four bits many do, since llama.cpp rounds by how a prompt is divided among passes.
Prints the near-ties and a summary. The exit status is 1 if anything else differs.
"""

import collections
import itertools
import json
import queue
import random
import sys
import threading
import time

import openai

from client import (COLOUR, COPY, FOX, PLAIN, STORY, TOOLS, Failure, difference, expect, expect_equal, make_parser,
                    run_on_server, schema_format)

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"

THEMES = ("a red boat", "the old mill", "rain in May", "two grey cats", "a long road", "the last train")


def chat(said, **fields):
    return CHAT, {"said": said, "logprobs": True, "top_logprobs": 5, **fields}


def completion(prompt, **fields):
    return COMPLETIONS, {"prompt": prompt, "logprobs": 5, **fields}


def make_requests(count):
    """So many different requests, always the same ones: an endpoint and the fields."""
    numbers = random.Random(1)
    kinds = (
        lambda theme, number: chat(f"Write of {theme}.", temperature=0, max_tokens=10),
        lambda theme, number: chat(f"Write of {theme}.", seed=number, max_tokens=10),
        lambda theme, number: completion(f"{theme}: {COPY}", temperature=0, max_tokens=16),
        lambda theme, number: completion([STORY, f"There was {theme}"], temperature=0, max_tokens=8, n=2),
        lambda theme, number: completion(f"There was {theme}", seed=number, max_tokens=8, n=3, top_p=0.9),
        lambda theme, number: chat(f"Repeat: {FOX}{theme}.", temperature=0, max_tokens=16,
                                   prediction={"type": "content", "content": f"{FOX}{theme}."}),
        lambda theme, number: chat(f"Describe {theme}.", seed=number, max_tokens=40,
                                   response_format=schema_format(COLOUR["properties"]["parts"])),
        lambda theme, number: chat(f"Paint {theme}.", temperature=0, max_tokens=40, tools=TOOLS,
                                   tool_choice="required"),
        lambda theme, number: completion(f"{theme}: {COPY}", temperature=0, max_tokens=16, stop=["lazy d", "\n"]),
        lambda theme, number: completion(f"{theme}, {number}:", temperature=0, max_tokens=8, ignore_eos=True,
                                         grammar='root ::= [a-z ]* '),
        lambda theme, number: chat(f"List what {theme} needs.", seed=number, temperature=0.7, max_tokens=10,
                                   frequency_penalty=0.5, logit_bias={str(1000 + number): -100}),
        lambda theme, number: completion(f"There was {theme}", temperature=0, max_tokens=12,
                                         speculative={"enabled": False}),
        lambda theme, number: chat(f"Write of {theme}.", temperature=5),
        lambda theme, number: completion(f"There was {theme}", model="another"),
    )
    requests = []
    for number, kind in zip(range(count), itertools.cycle(kinds)):
        endpoint, fields = kind(numbers.choice(THEMES), number)
        if numbers.random() < 0.5:
            fields.update(stream=True, stream_options={"include_usage": True})
        requests.append((endpoint, fields))
    return requests


class Totals:
    """Sums over responses, by the names that the metrics have for them. Threads: any number of calls."""

    def __init__(self):
        self.sums = collections.Counter()
        self.lock = threading.Lock()

    def add(self, endpoint, status, usage=None):
        with self.lock:
            self.sums[f'requests_total{{endpoint="{endpoint}",status="{status}"}}'] += 1
            if usage is None:
                return
            self.sums["prompt_tokens_total"] += usage.prompt_tokens
            self.sums["cached_prompt_tokens_total"] += usage.prompt_tokens_details.cached_tokens
            self.sums["generation_tokens_total"] += usage.completion_tokens
            self.sums["spec_decode_num_drafts_total"] += usage.speculation["drafts"]
            self.sums["spec_decode_num_draft_tokens_total"] += usage.speculation["draft_tokens"]
            self.sums["spec_decode_num_accepted_tokens_total"] += usage.speculation["accepted_tokens"]


def summed(samples):
    """The metrics, with the samples of all sources of drafts added up."""
    sums = collections.Counter()
    for name, value in samples.items():
        sums[name.split("{")[0] if "{source=" in name else name] += value
    return sums


def expect_metrics(server, before, totals):
    """What the metrics have grown by is what the responses say."""

    def differences():
        after = summed(server.metrics())
        names = set(totals.sums) | {name for name in after if name.startswith("requests_total")
                                    and "completions" in name}
        return {name: (after[name] - before[name], totals.sums[name]) for name in sorted(names)
                if after[name] - before[name] != totals.sums[name]}

    # A stream is counted once it has been sent, which the client may see before.
    end = time.monotonic() + 3
    while differences() and time.monotonic() < end:
        time.sleep(0.05)
    wrong = differences()
    expect(not wrong, "the metrics and the sums of the responses are: " +
           ", ".join(f"{name} {metric:g} and {of_responses:g}" for name, (metric, of_responses) in wrong.items()))


def ask(session, request, totals):
    """The reply, or the status of an error."""
    endpoint, fields = request
    try:
        reply = (session.chat if endpoint == CHAT else session.complete)(**fields)
    except openai.APIStatusError as error:
        totals.add(endpoint, error.status_code)
        return error.status_code
    totals.add(endpoint, 200, reply.usage)
    # What rules forbid is counted, and has no text; all else has an entry.
    entries = sum(len(answer.entries or []) for answer in reply.answers)
    expect_equal(reply.usage.completion_tokens, entries, f"completion_tokens of {json.dumps(fields)[:200]}")
    return reply


def ask_at_once(session, requests, order, threads, totals):
    """Replies to the requests of these numbers, each with its number."""
    numbers = queue.SimpleQueue()
    for number in order:
        numbers.put(number)
    replies, failures = [], []

    def work():
        while not failures:
            try:
                number = numbers.get_nowait()
            except queue.Empty:
                return
            try:
                replies.append((number, ask(session, requests[number], totals)))
            except (Failure, openai.OpenAIError) as error:
                failures.append(f"{json.dumps(requests[number])[:300]}: {error!r}")

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    expect(not failures, "; ".join(failures))
    return replies


class Comparison:
    """Of answers under load with the same ones alone, or decoded plainly."""

    def __init__(self):
        self.same, self.seeded, self.near_ties, self.failures = 0, 0, [], []

    def __str__(self):
        return (f"{self.same} replies are the same, {len(self.near_ties)} part at near-ties, {self.seeded} with seeds "
                f"part, {len(self.failures)} differ")

    def add(self, request, loaded, alone):
        if isinstance(loaded, int) or isinstance(alone, int):
            self.same += loaded == alone
            if loaded != alone:
                self.failures.append(f"{loaded} under load and {alone} alone, for {json.dumps(request)[:300]}")
            return
        greedy = request[1].get("temperature") == 0
        try:
            expect_equal(len(loaded.answers), len(alone.answers), "the number of answers under load")
            ties = [tie for one, other in zip(loaded.answers, alone.answers) if (tie := difference(one, other, greedy))]
        except Failure as failure:
            self.failures.append(f"{failure}, for {json.dumps(request)[:300]}")
            return
        if not ties:
            self.same += 1
        elif greedy:
            self.near_ties += ties[:1]
        else:
            self.seeded += 1


def test_load(server, arguments):
    session = server.session()
    distinct = make_requests(min(arguments.requests, arguments.distinct))
    order = [number % len(distinct) for number in range(arguments.requests)]
    random.Random(2).shuffle(order)

    totals = Totals()
    session.complete(max_tokens=1)
    server.wait_idle()
    before = summed(server.metrics())
    begin = time.monotonic()
    replies = ask_at_once(session, distinct, order, arguments.threads_of_clients, totals)
    seconds = time.monotonic() - begin
    expect_equal(len(replies), len(order), "the number of replies")
    expect_metrics(server, before, totals)
    passes = server.metrics()["passes_total"] - before["passes_total"]

    alone_totals = Totals()
    before = summed(server.metrics())
    alone = [ask(session, request, alone_totals) for request in distinct]
    expect_metrics(server, before, alone_totals)

    plain = [ask(session, (endpoint, {**fields, "speculative": PLAIN}), alone_totals) for endpoint, fields in distinct]

    comparison, with_plain = Comparison(), Comparison()
    for number, reply in replies:
        comparison.add(distinct[number], reply, alone[number])
        with_plain.add(distinct[number], reply, plain[number])
    for tie in sorted(comparison.near_ties):
        print("near-tie:", tie)
    for tie in sorted(set(with_plain.near_ties) - set(comparison.near_ties)):
        print("near-tie, with plain decoding:", tie)
    sums = totals.sums
    print(f"{len(replies)} requests by {arguments.threads_of_clients} threads in {seconds:.1f} s: "
          f"{sums['prompt_tokens_total']} prompt tokens, {sums['cached_prompt_tokens_total']} of them cached; "
          f"{sums['generation_tokens_total']} tokens in {passes:.0f} passes; "
          f"{sums['spec_decode_num_accepted_tokens_total']} of {sums['spec_decode_num_draft_tokens_total']} tokens of "
          f"{sums['spec_decode_num_drafts_total']} drafts accepted. The metrics agree. "
          f"Alone, {comparison}. Decoded plainly, {with_plain}.")
    expect(not comparison.failures + with_plain.failures, "\n".join(comparison.failures + with_plain.failures))
    expect(comparison.same * 2 > len(replies), "most replies part")
    expect(passes < sums["generation_tokens_total"], "answers were not generated together")


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--distinct", type=int, default=28, help="different requests among these")
    parser.add_argument("--threads-of-clients", type=int, default=8)
    return run_on_server(test_load, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
