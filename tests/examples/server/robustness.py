# SPDX-License-Identifier: MIT
"""Sends copyspec-server what no well-behaved client sends, and checks that each request ends with a proper status.

    python3 robustness.py --program copyspec-server --model FILE [--mutated N] [--seed S]

Starts the server twice: with API keys, and in a small cache. The server must stay alive and must give the same text
before and after. Needs nothing but the standard library. Everything sent is harmless to correct software.
"""

import argparse
import concurrent.futures
import contextlib
import gzip
import http.client
import json
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

KEYS = {"alice": "key-of-alice", "bob": "key-of-bob"}
CANARY = "The secret word of the blue lighthouse keeper is marzipan-4711, which nobody else may ever be told about."
REFERENCE = {"prompt": "One, two, three, four,", "max_tokens": 8, "temperature": 0}
# What a server may answer to a request that it read; 499 and 504 are not reached here.
PROPER = {200, 400, 401, 403, 404, 405, 411, 413, 414, 415, 416, 503}
LATEST = 60.0

failures = []


def check(condition, what):
    """Notes a failure unless `condition` holds."""
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}", flush=True)
    return condition


class Server:
    """A running server, stopped at the end of a `with` block."""

    def __init__(self, program, model, *options):
        self.command = [program, model, "--port", "0", "--threads", "1", *options]

    def __enter__(self):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if "listening at http://" not in line:
            raise RuntimeError(f"the server did not start: {line!r}")
        host, port = line.split("http://")[1].strip().rsplit(":", 1)
        self.address = (host, int(port))
        until = time.monotonic() + 120
        while self.request("GET", "/health")[0] != 200:
            if time.monotonic() > until or not self.alive():
                raise RuntimeError("the model was not loaded")
            time.sleep(0.05)
        return self

    def __exit__(self, *unused):
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(30)
            check(code == 0, f"the server ended with {code}")
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            check(False, "the server did not end after SIGTERM")
        self.log.close()

    def alive(self):
        return self.process.poll() is None

    def request(self, method, path, body=None, key=KEYS["alice"], headers=None):
        """Returns the status and the body of the response: (0, why) if there is none."""
        connection = http.client.HTTPConnection(*self.address, timeout=LATEST)
        try:
            fields = {"Content-Type": "application/json", "Authorization": f"Bearer {key}", **(headers or {})}
            connection.request(method, path, body, fields)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error).encode()
        finally:
            connection.close()

    def post(self, path, value, key=KEYS["alice"]):
        return self.request("POST", path, json.dumps(value).encode(), key)

    def complete(self, value, key=KEYS["alice"]):
        """The text of the first answer, and how much of the prompt was held already."""
        status, body = self.post("/v1/completions", value, key)
        if not check(status == 200, f"a completion ended with {status}: {body[:200]!r}"):
            return "", 0
        answer = json.loads(body)
        return answer["choices"][0]["text"], answer["usage"]["prompt_tokens_details"]["cached_tokens"]

    def connect(self):
        connection = socket.create_connection(self.address)
        connection.settimeout(LATEST)
        return connection

    def raw(self, data):
        """Sends `data`, and returns all that comes until the connection is closed or nothing more comes."""
        with self.connect() as connection:
            received = b""
            with contextlib.suppress(OSError):
                connection.sendall(data)
                while True:
                    # After a response, a connection stays open for the next request.
                    connection.settimeout(0.7 if received else LATEST)
                    part = connection.recv(65536)
                    if not part:
                        break
                    received += part
            return received


def require_proper(name, status, body):
    """A status that says what happened, and OpenAI's object for an error."""
    if not check(status in PROPER, f"{name}: status {status}, {body[:200]!r}") or status == 200:
        return
    try:
        error = json.loads(body)["error"]
        fine = (
            isinstance(error["message"], str) and isinstance(error["type"], str) and {"param", "code"} <= error.keys()
        )
    except (ValueError, KeyError, TypeError):
        fine = False
    check(fine, f"{name}: status {status} without an error object: {body[:200]!r}")


VALID = [
    ("/v1/completions", {"prompt": "The cat", "max_tokens": 2, "temperature": 0, "stop": ["."], "n": 1}),
    ("/v1/completions", {"prompt": [504, 3230], "max_tokens": 2, "seed": 7, "logit_bias": {"28": -5}, "logprobs": 2}),
    (
        "/v1/completions",
        {
            "prompt": ["A", "B"],
            "max_tokens": 2,
            "stream": True,
            "stream_options": {"include_usage": True},
            "speculative": {"show_sources": True},
        },
    ),
    ("/v1/completions", {"prompt": "Yes or no?", "max_tokens": 2, "grammar": 'root ::= "yes" | "no"', "top_p": 0.9}),
    (
        "/v1/chat/completions",
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
            ],
            "max_completion_tokens": 2,
            "logprobs": True,
            "top_logprobs": 1,
            "user": "someone",
        },
    ),
    (
        "/v1/chat/completions",
        {
            "messages": [{"role": "user", "content": "Weather?"}],
            "max_tokens": 2,
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "weather",
                        "description": "Tells it",
                        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
                    },
                }
            ],
            "tool_choice": "auto",
        },
    ),
    (
        "/v1/chat/completions",
        {
            "messages": [{"role": "user", "content": "Data"}],
            "max_tokens": 2,
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "x",
                    "schema": {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
                },
            },
        },
    ),
    (
        "/v1/chat/completions",
        {
            "messages": [
                {"role": "user", "content": "Call it"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "done"},
            ],
            "max_tokens": 2,
            "prediction": {"type": "content", "content": "It is done."},
        },
    ),
]

TEXTS = [
    "",
    " ",
    "<|im_start|>",
    "<|im_end|><|im_start|>system\n",
    "<|endoftext|>",
    "\u0000",
    "a\u0000b",
    "\ud7ff\uffff",
    "\U0001f600" * 3,
    "\u202e\u0301",
    "\r\n\r\n",
    "data: [DONE]\n\n",
    "<tool_call>",
    "</tool_call>",
    '{"',
    "x" * 300,
]
NUMBERS = [0, -1, 1, 1.5, -0.0, 1e-320, 1e308, 2**31, -(2**31), 2**53, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30]
# Fields whose meaning a mutation must not make expensive.
COSTLY = {"max_tokens", "max_completion_tokens"}
# Grammars are read by llama.cpp: whole ones are replaced, characters in them are not.
LANGUAGES = {"grammar", "schema", "parameters"}


def mutated(random_, value, depth=0):
    """A copy of the JSON value in which one place, usually, is another."""
    if isinstance(value, dict) and value and random_.random() < (0.95 if depth == 0 else 0.7):
        copy = dict(value)
        name = random_.choice(list(copy))
        action = random_.random()
        if action < 0.1 and name not in COSTLY:
            del copy[name]
        elif action < 0.15:
            copy[random_.choice(TEXTS)] = copy[name]
        elif name in COSTLY:
            copy[name] = random_.choice([1, 2, 3, 0, -1, "2", 1.5, [], {}, 2**63, 2**64])
        elif name in LANGUAGES:
            copy[name] = random_.choice(
                ["", 1, [], {}, True, "root ::=", {"type": 7}, {"type": "nothing"}, {"enum": []}]
            )
        else:
            copy[name] = mutated(random_, copy[name], depth + 1)
        return copy
    if isinstance(value, list) and value and random_.random() < 0.7:
        copy = list(value)
        place = random_.randrange(len(copy))
        action = random_.random()
        if action < 0.15:
            del copy[place]
        elif action < 0.25:
            copy.insert(place, random_.choice([None, *TEXTS, *NUMBERS]))
        else:
            copy[place] = mutated(random_, copy[place], depth + 1)
        return copy
    if isinstance(value, str) and random_.random() < 0.5:
        place = random_.randrange(len(value) + 1)
        return value[:place] + random_.choice(TEXTS) + value[place:]
    return random_.choice([None, True, False, *TEXTS, *NUMBERS, [], {}, [[]], {"type": "text"}, [[1, 2]], ["a", 1]])


def mutated_bytes(random_, text):
    """The bytes of a body, a few of which are others."""
    data = bytearray(text)
    for _ in range(random_.randrange(1, 4)):
        place = random_.randrange(len(data) + 1)
        action = random_.randrange(4)
        if action == 0:
            data[place:place] = random_.choice([b"\x00", b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\\ud800", b'"', b"["])
        elif action == 1:
            del data[place : place + random_.randrange(1, 9)]
        elif action == 2 and place < len(data):
            data[place] ^= 1 << random_.randrange(8)
        else:
            del data[place:]
    return bytes(data)


def check_mutated(server, count, seed):
    """Each mutated request ends properly."""
    random_ = random.Random(seed)
    requests = []
    for _ in range(count):
        path, value = random_.choice(VALID)
        body = json.dumps(mutated(random_, value)).encode()
        # Bytes are changed only where no grammar is: a changed one may be costly.
        if random_.random() < 0.25 and not any(word in value for word in ("grammar", "response_format", "tools")):
            shortened = {**value, "max_tokens": 2}
            body = mutated_bytes(random_, json.dumps(shortened).encode())
            # A part that was cut away may be what bounds the answer.
            if b'"max_tokens": 2' not in body:
                body = body[:-1]
        requests.append((path, body))
    statuses = {}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for (path, body), (status, answer) in zip(
            requests, pool.map(lambda one: server.request("POST", *one), requests)
        ):
            statuses[status] = statuses.get(status, 0) + 1
            require_proper(f"{path} {body[:300]!r}", status, answer)
    return statuses


def check_bodies(server):
    """Bodies at the edges of what JSON and the limits allow."""
    nested = b"[" * 100 + b"]" * 100
    for name, body in {
        "empty": b"",
        "a space": b" ",
        "null": b"null",
        "an array": b"[]",
        "a NUL": b"\x00",
        "a mark": b"\xef\xbb\xbf{}",
        "not UTF-8": b'{"prompt": "\xff\xfe", "max_tokens": 1}',
        "half a pair": b'{"prompt": "\\ud800", "max_tokens": 1}',
        "nested": b'{"prompt": ' + nested + b"}",
        "nested objects": b'{"a":' * 100 + b"1" + b"}" * 100,
        "many keys": json.dumps({str(i): i for i in range(9000)}).encode(),
        "equal keys": b'{"prompt": "a", "prompt": "b", "max_tokens": 1, "max_tokens": 2}',
        "a huge number": b'{"prompt": "a", "max_tokens": 1e400}',
        "digits": b'{"prompt": "a", "seed": ' + b"9" * 999 + b"}",
        "a biased vocabulary": json.dumps({"prompt": "a", "logit_bias": {str(i): 1 for i in range(5000)}}).encode(),
        "a long prompt": json.dumps({"prompt": "word " * 20000, "max_tokens": 1}).encode(),
        "a negative token": b'{"prompt": [-1], "max_tokens": 1}',
        "a large token": b'{"prompt": [2147483647]}',
        "no tokens": b'{"prompt": []}',
        "mixed": b'{"prompt": [1, "a"]}',
        "an empty stop": b'{"prompt": "a", "stop": ""}',
        "too many stops": json.dumps({"prompt": "a", "stop": ["x"] * 99}).encode(),
        "an unfinished grammar": b'{"prompt": "a", "max_tokens": 1, "grammar": "root ::= ("}',
        "a deep grammar": json.dumps({"prompt": "a", "grammar": "root ::= " + "(" * 200 + '"a"' + ")" * 200}).encode(),
    }.items():
        require_proper(name, *server.request("POST", "/v1/completions", body))
    status, answer = server.request(
        "POST",
        "/v1/completions",
        json.dumps(
            {"prompt": "a b c", "max_tokens": 2, "stop": ["<|im_end|>", "\u0000", "\n\n", "\U0001f600"]}
        ).encode(),
    )
    check(status == 200, f"odd stop strings: {status}, {answer[:200]!r}")
    for text in TEXTS:
        require_proper(
            f"a chat of {text!r}",
            *server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": text}], "max_tokens": 1}),
        )


def check_http(server):
    """What the protocol allows, and what it does not."""
    for method, path, expected in [
        ("GET", "/", 200),
        ("HEAD", "/health", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/metrics", 200),
        ("GET", "/v1/models", 200),
        ("GET", "/v1/models/none", 404),
        ("GET", "/nowhere", 404),
        ("OPTIONS", "/health", 405),
        ("DELETE", "/v1/models", 405),
        ("GET", "/v1/completions", 405),
        ("PUT", "/v1/completions", 405),
        ("GET", "/v1/models/" + "a" * 4000, 404),
        ("GET", "/" + "a" * 9000, 414),
        ("GET", "/v1/models/%ff%00%0d%0a", 404),
    ]:
        status, _ = server.request(method, path)
        check(status == expected, f"{method} {path[:40]} gave {status}, not {expected}")
    openapi = json.loads(server.request("GET", "/openapi.json")[1])
    check(
        {"/v1/chat/completions", "/v1/completions", "/health"} <= openapi["paths"].keys(), "the description lacks paths"
    )

    good = json.dumps(REFERENCE).encode()
    check(server.request("POST", "/v1/completions", good, "")[0] == 401, "a request without a key was not refused")
    check(server.request("POST", "/v1/completions", good, "key-of-alic")[0] == 401, "half a key was not refused")
    check(
        server.request("POST", "/v1/completions", good, headers={"Content-Type": "text/plain"})[0] == 415,
        "a text was taken for JSON",
    )
    check(server.request("GET", "/health", headers={"Host": "other.example"})[0] == 403, "another host was served")
    check(
        server.request("POST", "/v1/completions", gzip.compress(good), headers={"Content-Encoding": "gzip"})[0] == 415,
        "a compressed body was not refused",
    )

    head = f"Host: localhost\r\nAuthorization: Bearer {KEYS['alice']}\r\nContent-Type: application/json\r\n".encode()
    post = b"POST /v1/completions HTTP/1.1\r\n" + head
    length = b"Content-Length: %d\r\n\r\n"
    for name, data, expected in [
        ("HTTP/1.0", post.replace(b"1.1", b"1.0") + length % len(good) + good, {200}),
        ("100-continue", post + b"Expect: 100-continue\r\n" + length % len(good) + good, {100, 200}),
        (
            "chunks",
            post + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % len(good) + good + b"\r\n0\r\n\r\n",
            {200},
        ),
        ("no length", post + b"\r\n", {411}),
        ("a large body", post + length % 5000000 + b" " * 5000000, {413}),
        (
            "large chunks",
            post + b"Transfer-Encoding: chunked\r\n\r\n" + (b"100000\r\n" + b" " * 2**20 + b"\r\n") * 5 + b"0\r\n\r\n",
            {413},
        ),
        ("garbage", b"\x00\x01\x02\r\n\r\n", {400}),
        ("no such method", b"BREW /health HTTP/1.1\r\n" + head + b"\r\n", {400, 404, 405}),
        ("a long header", b"GET /health HTTP/1.1\r\n" + head + b"X: " + b"a" * 9000 + b"\r\n\r\n", {400, 431}),
        ("a range", b"GET /health HTTP/1.1\r\n" + head + b"Range: bytes=9-1\r\n\r\n", {200, 416}),
    ]:
        received = server.raw(data)
        first = received[9:12]
        check(first.isdigit() and int(first) in expected, f"{name}: {received[:200]!r}")

    # What follows a request that was refused unread must not be taken for another request.
    hidden = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    refused = b"POST /v1/completions HTTP/1.1\r\nHost: other.example\r\n" + length % (4096 + len(hidden))
    pad = b"a" * (4096 - len(refused))
    received = server.raw(refused + pad + hidden + b"a" * (4096 - len(pad)))
    check(received.count(b"HTTP/1.1 ") == 1, f"the body of a refused request was read as another: {received[:600]!r}")


def check_stream(server):
    """Streams arrive in pieces, also if the client could read compressed ones, and end."""
    body = json.dumps({**REFERENCE, "max_tokens": 24, "ignore_eos": True, "stream": True})
    connection = http.client.HTTPConnection(*server.address, timeout=LATEST)
    connection.request(
        "POST",
        "/v1/completions",
        body,
        {"Content-Type": "application/json", "Authorization": f"Bearer {KEYS['alice']}", "Accept-Encoding": "gzip, br"},
    )
    response = connection.getresponse()
    check(response.getheader("Content-Encoding") is None, "a stream is compressed, which holds its events back")
    text = response.read()
    check(
        text.endswith(b"data: [DONE]\n\n") or response.getheader("Content-Encoding"),
        f"a stream ends with {text[-99:]!r}",
    )
    connection.close()


def check_slow(server):
    """Clients that send slowly, read slowly or leave do not keep others waiting."""
    connections = [server.connect() for _ in range(200)]
    try:
        for i, connection in enumerate(connections):
            connection.sendall(
                [b"", b"GET /hea", b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Le"][i % 3]
            )
        # Some ask for a stream that they do not read.
        body = json.dumps({"prompt": "Once", "max_tokens": 20, "stream": True}).encode()
        for connection in [server.connect() for _ in range(4)]:
            connections.append(connection)
            connection.sendall(
                b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                + f"Authorization: Bearer {KEYS['bob']}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
        begin = time.monotonic()
        server.complete({**REFERENCE, "max_tokens": 1})
        check(server.request("GET", "/health")[0] == 200, "no health beside slow clients")
        check(time.monotonic() - begin < 20, "slow clients keep others waiting")
    finally:
        for connection in connections:
            connection.close()
    # One that leaves frees its place.
    with server.connect() as connection:
        body = json.dumps({"prompt": "Once", "max_tokens": 2000, "ignore_eos": True}).encode()
        connection.sendall(
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            + f"Authorization: Bearer {KEYS['bob']}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        time.sleep(0.3)
    until = time.monotonic() + 10
    while b"copyspec_requests_running 0\n" not in server.request("GET", "/metrics")[1]:
        if not check(time.monotonic() < until, "the answer for a client that left goes on"):
            break
        time.sleep(0.1)


def check_tenants(server):
    """Nothing of one key's text reaches another's answers, or is held for it."""
    ask = {"prompt": CANARY + " Again: The secret word", "max_tokens": 12, "temperature": 0}
    said, _ = server.complete(ask, KEYS["alice"])
    again, cached = server.complete(ask, KEYS["alice"])
    check(cached > 0 and said == again, f"the same request found {cached} tokens, and said {again!r} after {said!r}")
    other, cached = server.complete(ask, KEYS["bob"])
    check(other == said, f"another key has another text: {other!r} after {said!r}")
    check(cached == 0, f"{cached} tokens of one key are held for another")
    for prompt in ("The secret word of the blue", "The secret", "Tell me."):
        text, cached = server.complete({"prompt": prompt, "max_tokens": 24, "temperature": 0.9, "seed": 1}, KEYS["bob"])
        check("marzipan" not in text and "4711" not in text, f"one key reads what another sent: {text!r}")
    # At the same time, too.
    prompts = {name: f"{name}: {CANARY[:40]} {i}" for i, name in enumerate(KEYS)}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for _, cached in pool.map(
            lambda name: server.complete({"prompt": prompts[name] * 3, "max_tokens": 8, "temperature": 0}, KEYS[name]),
            KEYS,
        ):
            check(cached == 0, f"{cached} tokens of a new prompt are held already")


def check_full(program, model):
    """More answers than a small cache has room for: all end, whole."""
    with Server(
        program, model, "--cache", "1024", "--context", "1024", "--sequences", "8", "--mixed-pass", "32"
    ) as server:

        def ask(i):
            random_ = random.Random(i)
            words = " ".join(random_.choice(["cat", "river", "stone", "cloud", "seven"]) for _ in range(110))
            return server.post(
                "/v1/completions", {"prompt": words, "max_tokens": 24, "ignore_eos": True, "n": 1 + i % 2}
            )

        with concurrent.futures.ThreadPoolExecutor(7) as pool:
            for i, (status, body) in enumerate(pool.map(ask, range(7))):
                if check(status == 200, f"in a full cache: {status}, {body[:200]!r}"):
                    answer = json.loads(body)
                    check(answer["usage"]["completion_tokens"] == 24 * (1 + i % 2), "an answer was cut in a full cache")
        check(server.request("GET", "/health")[0] == 200, "no health after a full cache")


def check_end(program, model):
    """SIGTERM while an answer is streamed: it ends whole."""
    with Server(program, model) as server:
        body = json.dumps({"prompt": "Once", "max_tokens": 60, "ignore_eos": True, "stream": True})
        connection = http.client.HTTPConnection(*server.address, timeout=LATEST)
        connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        server.process.send_signal(signal.SIGTERM)
        check(
            server.request("POST", "/v1/completions", body.encode())[0] in (0, 503), "a server that ends took more work"
        )
        text = response.read()
        check(text.endswith(b"data: [DONE]\n\n") and b'"error"' not in text, f"a stream was cut: {text[-200:]!r}")
        connection.close()
        server.process.wait(30)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--mutated", type=int, default=300, help="number of mutated requests, at most 10000")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        keys = pathlib.Path(folder, "keys")
        keys.write_text("".join(f"{name} {key}\n" for name, key in KEYS.items()), encoding="utf-8")
        with Server(options.program, options.model, "--api-keys", str(keys)) as server:
            before, _ = server.complete(REFERENCE)
            for step in (check_tenants, check_http, check_bodies, check_stream, check_slow):
                start = time.monotonic()
                step(server)
                print(f"{step.__name__}: {time.monotonic() - start:.1f} s", flush=True)
                if not check(server.alive(), f"the server ended in {step.__name__}"):
                    break
            start = time.monotonic()
            statuses = check_mutated(server, min(options.mutated, 10000), options.seed) if server.alive() else {}
            print(f"mutated requests by status: {dict(sorted(statuses.items()))}, {time.monotonic() - start:.1f} s")
            if check(server.alive(), "the server ended"):
                after, _ = server.complete(REFERENCE)
                check(before == after and before != "", f"the reference text was {before!r}, and is {after!r}")
        for step in (check_full, check_end):
            start = time.monotonic()
            step(options.program, options.model)
            print(f"{step.__name__}: {time.monotonic() - start:.1f} s", flush=True)
    print(f"{len(failures)} failures, {time.monotonic() - begin:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
