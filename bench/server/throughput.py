#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures servers with OpenAI's interface under closed loops of clients, in turn, and prints a table.

    python3 throughput.py --base http://127.0.0.1:8080 [--peer NAME=http://127.0.0.1:8081 ...] --out FILE
                          [--clients 1 2 4 8 16] [--loads copy-heavy mixed fresh] [--rounds 3] [--requests 3]

The copyspec-server at --base is asked plainly (`speculative.enabled` false) and with copying. Each client asks one request
after the other, streamed, at temperature zero. In each round all ways take turns, in an order drawn anew. Rates are
tokens of all answers by the time from the first request to the last answer; a peer's tokens are counted by its `usage`.
"""

import argparse
import http.client
import json
import random
import statistics
import threading
import time
import urllib.parse

LETTER = """Dear Mrs. Hall,

Thank you for ordering the garden bench on the 3rd of June. Our carpenter has finished it, and we will deliver it on Friday
between nine and eleven in the morning. Please tell us if somebody will be at home to sign for it. The bench needs oil once
a year, and a small can of it comes with the delivery at no charge.

Kind regards,
The Oak Workshop"""

CODE = """class Counter:
    def __init__(self, start):
        self.value = start

    def add(self, step):
        self.value = self.value + step
        return self.value

    def take(self, step):
        self.value = self.value - step
        return self.value

    def reset(self):
        self.value = 0
        return self.value"""

LIST = "\n".join(f'{{"id": {i}, "name": "{name}", "city": "{city}", "paid": false}}' for i, (name, city) in enumerate(
    [("Ann Bell", "Leeds"), ("Tom Reed", "York"), ("Sue Park", "Bath"), ("Max Lowe", "Hull"), ("Eva Cole", "Derby")]))

EDITS = [f"Write this letter again, to Mr. Stone instead of Mrs. Hall:\n\n{LETTER}",
         f"Write this letter again with Monday instead of Friday:\n\n{LETTER}",
         f"Rename the method take to remove and show the whole class:\n\n{CODE}",
         f"Rename the class to Tally and show the whole class:\n\n{CODE}",
         f"Repeat these lines with \"paid\": true in each:\n\n{LIST}",
         f"Repeat these lines with the city Oxford in each:\n\n{LIST}"]
FRESH = ["Tell a short story about a lighthouse.", "Explain how bread is made.", "Describe a town by the sea.",
         "What can one do on a rainy day?", "Explain how a bicycle stays upright.", "Tell a story about a lost key."]
LOADS = {"copy-heavy": EDITS, "fresh": FRESH, "mixed": [text for pair in zip(EDITS, FRESH) for text in pair]}


class Client(threading.Thread):
    """Asks one request after the other. Keeps the tokens, and the time to the first of each answer."""

    def __init__(self, base, extra, texts, max_tokens):
        super().__init__()
        self.address = urllib.parse.urlparse(base)
        self.extra, self.texts, self.max_tokens = extra, texts, max_tokens
        self.tokens, self.first, self.error = 0, [], None

    def ask(self, connection, text):
        body = {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": self.max_tokens,
                "stream": True, "stream_options": {"include_usage": True}, **self.extra}
        begin = time.monotonic()
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {response.read()[:200]}")
        first = None
        for line in response:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if first is None and any(choice["delta"].get("content") for choice in event["choices"]):
                first = time.monotonic() - begin
            if event.get("usage"):
                self.tokens += event["usage"]["completion_tokens"]
        self.first.append(first)

    def run(self):
        try:
            connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=600)
            for text in self.texts:
                self.ask(connection, text)
        except Exception as error:  # shown with the others
            self.error = error


def measure(base, extra, texts, clients, requests, max_tokens):
    """Tokens a second, and the median time to the first token."""
    threads = [Client(base, extra, [texts[(client + clients * i) % len(texts)] for i in range(requests)], max_tokens)
               for client in range(clients)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - begin
    for thread in threads:
        if thread.error:
            raise thread.error
    first = [value for thread in threads for value in thread.first if value is not None]
    return sum(thread.tokens for thread in threads) / seconds, statistics.median(first)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", required=True)
    parser.add_argument("--peer", action="append", default=[])
    parser.add_argument("--out", required=True)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--loads", nargs="+", choices=LOADS, default=list(LOADS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=3)
    parser.add_argument("--max-tokens", type=int, default=160)
    arguments = parser.parse_args()
    ways = {"plain": (arguments.base, {"speculative": {"enabled": False}}), "copying": (arguments.base, {})}
    for peer in arguments.peer:
        name, _, base = peer.partition("=")
        ways[name] = (base, {})
    runs = []
    for load in arguments.loads:
        for clients in arguments.clients:
            for number in range(arguments.rounds):
                order = list(ways)
                random.shuffle(order)
                for way in order:
                    print(f"{load}, {clients} clients, round {number + 1}, {way}", flush=True)
                    rate, first = measure(*ways[way], LOADS[load], clients, arguments.requests, arguments.max_tokens)
                    runs.append({"load": load, "clients": clients, "round": number, "way": way, "rate": rate,
                                 "first": first})
    with open(arguments.out, "w") as file:
        json.dump(runs, file, indent=1)

    print("\n| load | clients | " + " | ".join(f"{way}, tokens/s" for way in ways) + " | copying over plain | "
          + "".join(f"over {way} | " for way in list(ways)[2:]) + "first token: plain, copying, ms |")
    print("|" + "---|" * (4 + 2 * len(ways) - 3 + 1))
    for load in arguments.loads:
        for clients in arguments.clients:
            def values(way, what):
                return [run[what] for run in runs if (run["load"], run["clients"], run["way"]) == (load, clients, way)]

            def over(way):
                ratios = [a / b for a, b in zip(values("copying", "rate"), values(way, "rate"))]
                return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            print(f"| {load} | {clients} | " + " | ".join(f"{statistics.median(values(way, 'rate')):.1f}" for way in ways)
                  + f" | {over('plain')} | " + "".join(f"{over(way)} | " for way in list(ways)[2:])
                  + ", ".join(f"{1000 * statistics.median(values(way, 'first')):.0f}" for way in ("plain", "copying"))
                  + " |")


if __name__ == "__main__":
    main()
