#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Keeps copyspec-server busy for a while, with clients that finish, leave, cancel and send rubbish:

    python3 soak.py --program copyspec-server --model FILE [--seconds 1200] [--clients 12] [--no-memory]

Each finished answer must be what the same request gets on the idle server, or differ from it at a near-tie, as load.py
says. Nothing may end without a proper status, and the server must be idle and end with 0 afterwards. Memory must be flat
after the first third: prints its slope, and fails above 1 MiB a minute. `--no-memory` is for sanitizers, which keep what
is freed.
"""

import collections
import json
import random
import re
import statistics
import sys
import threading
import time
import urllib.parse

import openai

import load
import robustness
from client import STORY, Failure, expect, make_parser, run_on_server

MOST_SLOPE = 1.0  # MiB a minute


class Clients:
    """Everything that clients do at random. Threads: any number of calls of `act`."""

    def __init__(self, server, arguments):
        self.server = server
        self.session = server.session()
        self.requests = load.make_requests(28)
        self.totals = load.Totals()
        self.references = [load.ask(self.session, request, self.totals) for request in self.requests]
        self.comparison = load.Comparison()
        self.lock = threading.Lock()
        self.done = collections.Counter()
        self.failures = []
        self.raw = robustness.Server("", "")
        url = urllib.parse.urlparse(server.url)
        self.raw.address = (url.hostname, url.port)
        self.end = time.monotonic() + arguments.seconds

    def finish(self, random_):
        """A request of any kind, compared with what it got alone."""
        number = random_.randrange(len(self.requests))
        reply = load.ask(self.session, self.requests[number], self.totals)
        with self.lock:
            self.comparison.add(self.requests[number], reply, self.references[number])

    def leave(self, random_):
        """A stream that is left after a few events."""
        stream = self.session.open_completion(f"{STORY} {random_.randrange(50)}", stream=True, max_tokens=400,
                                              ignore_eos=True, n=random_.choice((1, 1, 2)), temperature=0.5)
        for _ in zip(range(random_.randrange(12)), stream):
            pass
        stream.close()

    def cancel(self, random_):
        """A request whose client does not wait for the answer."""
        try:
            self.session.client.with_options(timeout=random_.uniform(0.001, 0.3)).completions.create(
                model="any", prompt=[f"{STORY} {random_.randrange(9)}"] * 2, max_tokens=200, temperature=0)
        except (openai.APITimeoutError, openai.NotFoundError):
            pass

    def rubbish(self, random_):
        """Mutated requests, and bytes that are none."""
        path, value = random_.choice(robustness.VALID)
        status, body = self.raw.request("POST", path, json.dumps(robustness.mutated(random_, value)).encode())
        robustness.require_proper(f"{path} {str(value)[:200]}", status, body)
        received = self.raw.raw(bytes(random_.randrange(256) for _ in range(20)) + b"\r\n\r\n")
        expect(not received or received.startswith(b"HTTP/1.1 4"), f"rubbish was answered by {received[:100]!r}")

    def linger(self, random_):
        """A connection that sends half a request."""
        with self.raw.connect() as connection:
            connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Le")
            time.sleep(random_.uniform(0, 2))

    def act(self, seed):
        random_ = random.Random(seed)
        actions = (self.finish, self.leave, self.cancel, self.rubbish, self.linger)
        while time.monotonic() < self.end and not self.failures:
            action = random_.choices(actions, (60, 15, 10, 10, 5))[0]
            try:
                action(random_)
            except (Failure, OSError, openai.OpenAIError) as error:
                self.failures.append(f"{action.__name__}: {error!r}")
            with self.lock:
                self.done[action.__name__] += 1


def slope(samples):
    """MiB a minute: of pairs of samples, the median (Theil and Sen), so that no single peak decides."""
    return statistics.median((b - a) / (later - earlier) * 60 for i, (earlier, a) in enumerate(samples)
                             for later, b in samples[i + 1:])


def soak(server, arguments):
    clients = Clients(server, arguments)
    begin = time.monotonic()
    threads = [threading.Thread(target=clients.act, args=(seed,)) for seed in range(arguments.clients)]
    for thread in threads:
        thread.start()
    samples = []
    shown = begin
    while any(thread.is_alive() for thread in threads):
        time.sleep(min(5.0, arguments.seconds / 20))
        samples.append((time.monotonic() - begin, server.metrics()["resident_memory_bytes"] / 2**20))
        if time.monotonic() - shown > 60:
            shown = time.monotonic()
            print(f"{samples[-1][0]:.0f} s: {sum(clients.done.values())} done, {samples[-1][1]:.1f} MiB", flush=True)
    server.wait_idle()
    comparison = clients.comparison
    failures = clients.failures + robustness.failures + comparison.failures
    widest = max((float(re.search(r"margin of (-?[0-9.]+)", tie)[1]) for tie in comparison.near_ties), default=0)
    print(f"{arguments.seconds:.0f} s, {arguments.clients} clients: {dict(clients.done)}. Of the finished ones, "
          f"alone, {comparison}. The widest near-tie is {widest:.3f}.")
    expect(not failures, "\n".join(failures))
    expect(comparison.same > 0, "no answer was compared")
    if not arguments.no_memory:
        late = [sample for sample in samples if sample[0] > arguments.seconds / 3]
        grows = slope(late)
        print(f"memory: {late[0][1]:.1f} MiB after a third, {late[-1][1]:.1f} MiB at the end, at most "
              f"{max(size for _, size in late):.1f}; slope {grows:+.3f} MiB a minute")
        expect(grows < MOST_SLOPE, "memory grows")


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--no-memory", action="store_true")
    return run_on_server(soak, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
