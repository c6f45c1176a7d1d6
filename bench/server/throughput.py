#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures servers with OpenAI's interface under closed loops of clients, in turn, and prints a table.

    python3 throughput.py --server copyspec-server --model FILE [--llama-server llama-server] --out FILE
                          [--loads copy-heavy mixed fresh predicted] [--clients 1 2 4 8 16] [--rounds 3] [--requests 2]

The ways are: two copyspec-servers, of which the second is asked with `speculative.enabled` false, and llama-server without
drafts and with those of `--llama-drafts`. All are started here, on the model in F32. Each client asks one request after
the other, streamed, at temperature zero. In each round all ways take turns, in an order drawn anew, with the same texts;
a server is asked each text once, so that it holds the beginning of hardly any but the template's. Rates are the tokens of
all answers by the time from the first request to the last answer, as `usage` counts them.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import random
import socket
import statistics
import subprocess
import threading
import time
import urllib.parse

FIRST = ("Ann", "Tom", "Sue", "Max", "Eva", "Ian", "Joy", "Lee", "Kim", "Ben", "Amy", "Ray", "Una", "Guy", "Ida", "Rob")
LAST = ("Bell", "Reed", "Park", "Lowe", "Cole", "Hall", "Stone", "Wood", "Lake", "Hill", "Snow", "Field", "Brook", "Ward")
CITIES = ("Leeds", "York", "Bath", "Hull", "Derby", "Dover", "Oxford", "Perth", "Truro", "Wells", "Ely", "Ripon")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = ("January", "March", "April", "June", "July", "August", "October")
GOODS = ("garden bench", "kitchen table", "oak chair", "bookshelf", "wardrobe", "chest of drawers", "writing desk")
NOUNS = ("Counter", "Balance", "Stock", "Score", "Meter", "Gauge", "Budget", "Tally", "Level", "Queue")
VERBS = ("add", "take", "put", "draw", "push", "pull", "raise_by", "lower_by", "fill", "drain", "apply", "remove")
SCENES = ("a lighthouse", "a lost key", "an old clock", "two sisters", "a night train", "a small island", "a blue door",
          "a baker", "a stray dog", "a letter from abroad", "the first snow", "a forgotten garden", "a clever crow")
HOW = ("bread is made", "a bicycle stays upright", "tides come about", "glass is blown", "a bridge is built", "paper is made",
       "a violin makes its sound", "bees find flowers", "a lock works", "cheese ripens", "a sail moves a boat")


def letter(draw):
    day, other = draw.sample(DAYS, 2)
    goods, name, month = draw.choice(GOODS), draw.choice(LAST), draw.choice(MONTHS)
    text = (f"Dear Mrs. {name},\n\nThank you for ordering the {goods} on the {draw.randrange(4, 20)}th of {month}. Our "
            f"carpenter has finished it, and we will deliver it on {day} between {draw.randrange(7, 10)} and eleven in "
            "the morning. Please tell us if somebody will be at home to sign for it. It needs oil once a year, and a small "
            f"can of it comes with the delivery at no charge.\n\nKind regards,\n{draw.choice(FIRST)} of the Oak Workshop")
    return f"Write this letter again with {other} instead of {day}:", text


def code(draw):
    noun, other = draw.sample(NOUNS, 2)
    one, two = draw.sample(VERBS, 2)
    text = (f"class {noun}:\n    def __init__(self, start):\n        self.value = start\n\n"
            f"    def {one}(self, step):\n        self.value = self.value + step\n        return self.value\n\n"
            f"    def {two}(self, step):\n        self.value = self.value - step\n        return self.value\n\n"
            f"    def reset(self):\n        self.value = {draw.randrange(10)}\n        return self.value")
    return f"Rename the class to {other} and show the whole class:", text


def rows(draw):
    lines = [f'{{"id": {draw.randrange(100, 999)}, "name": "{draw.choice(FIRST)} {draw.choice(LAST)}", '
             f'"city": "{draw.choice(CITIES)}", "paid": false}}' for _ in range(5)]
    return "Repeat these lines with \"paid\": true in each:", "\n".join(lines)


def edit(draw, number):
    """What is to be done, and the text to do it with."""
    return (letter, code, rows)[number % 3](draw)


def fresh(draw, number):
    if number % 2:
        return f"Explain how {draw.choice(HOW)}, to somebody who is {draw.randrange(8, 90)} years old."
    return f"Tell a short story about {draw.choice(SCENES)} and {draw.choice(FIRST)} {draw.choice(LAST)}."


def asked(content, **fields):
    return {"messages": [{"role": "user", "content": content}], **fields}


def request(load, draw, number):
    if load == "fresh" or (load == "mixed" and number % 2):
        return asked(fresh(draw, number // 2 if load == "mixed" else number))
    task, text = edit(draw, number // 2 if load == "mixed" else number)
    if load == "predicted":
        return asked(f"{task}\n\n{text}", prediction={"type": "content", "content": text})
    return asked(f"{task}\n\n{text}")


LOADS = ("copy-heavy", "mixed", "fresh", "predicted")


class Client(threading.Thread):
    """Asks one request after the other. Keeps the tokens, and the time to the first of each answer."""

    def __init__(self, url, requests):
        super().__init__()
        self.address = urllib.parse.urlparse(url)
        self.requests = requests
        self.tokens, self.first, self.error = 0, [], None

    def ask(self, connection, body):
        begin = time.monotonic()
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {response.read()[:200]}")
        first = usage = None
        for line in response:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if first is None and any(choice["delta"].get("content") for choice in event["choices"]):
                first = time.monotonic() - begin
            usage = event.get("usage") or usage
        if usage is None:
            raise RuntimeError("a stream ended without its usage")
        self.tokens += usage["completion_tokens"]
        self.first.append(first)

    def run(self):
        try:
            for body in self.requests:
                # llama-server ends a connection after a stream, without saying so.
                self.ask(http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=600), body)
        except Exception as error:  # shown with the others
            self.error = error


def measure(url, extra, loops):
    """Tokens a second, and the times to the first token, with one client for each list of requests."""
    threads = [Client(url, [{**body, **extra} for body in loop]) for loop in loops]
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
    return sum(thread.tokens for thread in threads) / seconds, first


@contextlib.contextmanager
def running(command):
    """A server at a free port. Gives its address once it answers that it is healthy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"{command[0]} has ended with {process.returncode}")
            with contextlib.suppress(OSError):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def median_and_range(ratios):
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def table(runs, ways):
    others = [way for way in ways if way != "copying"]
    yield ("| load | clients | " + " | ".join(f"{way}, tokens/s" for way in ways) + " | "
           + " | ".join(f"copying over {way}" for way in others) + " | median to the first token, ms: "
           + ", ".join(ways) + " |")
    yield "|" + "---|" * (3 + len(ways) + len(others))
    for load, clients in dict.fromkeys((run["load"], run["clients"]) for run in runs):
        def values(way, what):
            return [run[what] for run in runs if (run["load"], run["clients"], run["way"]) == (load, clients, way)]

        rates = {way: values(way, "rate") for way in ways}
        first = {way: statistics.median(1000 * one for run in values(way, "first") for one in run) for way in ways}
        yield (f"| {load} | {clients} | " + " | ".join(f"{statistics.median(rates[way]):.1f}" for way in ways) + " | "
               + " | ".join(median_and_range([a / b for a, b in zip(rates["copying"], rates[way])]) for way in others)
               + " | " + ", ".join(f"{first[way]:.0f}" for way in ways) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--llama-server")
    parser.add_argument("--llama-drafts", default="ngram-simple --spec-ngram-simple-size-n 4 --spec-ngram-simple-size-m 16",
                        help="what its --spec-type is, with options; the default was its fastest of eight")
    parser.add_argument("--threads", default=str(min(os.cpu_count(), 8)))
    parser.add_argument("--out", required=True)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--loads", nargs="+", choices=LOADS, default=list(LOADS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=2, help="of each client")
    parser.add_argument("--max-tokens", type=int, default=160)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32), help="of the texts")
    arguments = parser.parse_args()
    room = ["--threads", arguments.threads]
    own = [arguments.server, str(arguments.model), "--weights", "f32", "--sequences", "16", "--cache", "24576", *room]
    commands = {"copying": own, "plain": own}
    if arguments.llama_server:
        peer = [arguments.llama_server, "-m", str(arguments.model.with_suffix(".f32.gguf")), "-np", "16", "-c", "24576", *room]
        commands["llama-server"] = peer
        commands["llama-server, n-grams"] = [*peer, "--spec-type", *arguments.llama_drafts.split()]
    with contextlib.ExitStack() as servers:
        # One after the other: the first makes the F32 copy of the model.
        urls = {way: servers.enter_context(running(command)) for way, command in commands.items()}
        compare(arguments, urls)


def compare(arguments, urls):
    ways = {way: (url, {"speculative": {"enabled": False}} if way == "plain" else {}) for way, url in urls.items()}
    always = {"temperature": 0, "max_tokens": arguments.max_tokens, "stream": True,
              "stream_options": {"include_usage": True}}
    print(f"texts of seed {arguments.seed}", flush=True)
    runs = []
    for load in arguments.loads:
        for clients in arguments.clients:
            for number in range(arguments.rounds):
                draw = random.Random(f"{arguments.seed} {load} {clients} {number}")
                loops = [[{**request(load, draw, client + clients * i), **always} for i in range(arguments.requests)]
                         for client in range(clients)]
                order = list(ways)
                random.shuffle(order)
                for way in order:
                    url, extra = ways[way]
                    rate, first = measure(url, extra, loops)
                    print(f"{load}, {clients} clients, round {number + 1}, {way}: {rate:.1f} tokens/s", flush=True)
                    runs.append({"load": load, "clients": clients, "round": number, "way": way, "rate": rate,
                                 "first": first})
            # A long run that ends early has shown something.
            with open(arguments.out, "w", encoding="utf-8") as file:
                json.dump(runs, file, indent=1)
    print("\n" + "\n".join(table(runs, list(ways))))


if __name__ == "__main__":
    main()
