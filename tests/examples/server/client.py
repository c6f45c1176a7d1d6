#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests copyspec-server from outside, with the Python package of OpenAI as it is:

    python3 client.py --program copyspec-server --model FILE

Starts the server several times, each at a free port. Prints one line for each failed check, and a summary. The exit
status is 1 if a check failed. What load.py shares with this is here, too.

A model in few bits rounds differently with the number of rows in a pass. So an answer may differ from the same answer
without drafts where two tokens are nearly equally likely. Such a difference is printed with its margin, and fails no
check.
"""

import argparse
import collections
import contextlib
import dataclasses
import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request

import openai

NEAR_TIE = 0.2  # most that the logprobs of the two tokens differ by
AGREEMENT = 0.6  # most that two logprobs of one token differ by, in passes of different shapes and with few bits

FOX = "The quick brown fox jumps over the lazy dog. "
COPY = FOX * 3 + "The quick"  # goes on with the rest of the sentence, which copying drafts
STORY = "Once upon a time"

# Fields that OpenAI does not have.
EXTENSIONS = {"grammar", "ignore_eos", "min_p", "min_tokens", "speculative", "top_k"}
PLAIN = {"enabled": False}


class Failure(Exception):
    """A check failed, for the reason that the text gives."""


def expect(condition, *message):
    if not condition:
        raise Failure(" ".join(str(part) for part in message))


def expect_equal(actual, expected, what):
    expect(actual == expected, f"{what} is {actual!r}, not {expected!r}")


@dataclasses.dataclass
class Entry:
    """A token, and the likeliest ones at its place, with their logprobs."""

    token: bytes
    logprob: float
    top: list


@dataclasses.dataclass
class Answer:
    """One choice of a response, streamed or not."""

    text: str = ""
    calls: list = dataclasses.field(default_factory=list)  # of functions: name and arguments
    reason: str = ""
    entries: list = None  # if logprobs were asked for

    def said(self):
        return self.text, self.calls, self.reason


@dataclasses.dataclass
class Reply:
    answers: list
    usage: object = None
    chunks: int = 0

    @property
    def text(self):
        return self.answers[0].text

    @property
    def reason(self):
        return self.answers[0].reason

    @property
    def entries(self):
        return self.answers[0].entries

    @property
    def calls(self):
        return self.answers[0].calls


def chat_entries(logprobs):
    def pair(entry):
        return bytes(entry.bytes), entry.logprob

    return [Entry(*pair(entry), [pair(top) for top in entry.top_logprobs]) for entry in logprobs.content]


def completion_entries(logprobs):
    return [Entry(token.encode(), logprob, [(name.encode(), value) for name, value in top.items()])
            for token, logprob, top in zip(logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs)]


def with_entries(answer, logprobs, read):
    if logprobs is not None:
        answer.entries = (answer.entries or []) + read(logprobs)


def read_chat(response):
    """The reply in a response that is not streamed."""
    expect_equal(response.object, "chat.completion", "object")
    answers = []
    for index, choice in enumerate(response.choices):
        expect_equal(choice.index, index, "the index of a choice")
        expect_equal(choice.message.role, "assistant", "the role of an answer")
        calls = choice.message.tool_calls or []
        expect(len({call.id for call in calls}) == len(calls), "two calls have one id")
        answer = Answer(choice.message.content or "", [(call.function.name, call.function.arguments) for call in calls],
                        choice.finish_reason)
        with_entries(answer, choice.logprobs, chat_entries)
        answers.append(answer)
    return Reply(answers, response.usage)


def read_completion(response):
    expect_equal(response.object, "text_completion", "object")
    answers = []
    for index, choice in enumerate(response.choices):
        expect_equal(choice.index, index, "the index of a choice")
        answer = Answer(choice.text, [], choice.finish_reason)
        with_entries(answer, choice.logprobs, completion_entries)
        answers.append(answer)
    return Reply(answers, response.usage)


def read_stream(stream, chat):
    """The reply that the chunks of a stream make together."""
    answers = collections.defaultdict(Answer)
    reply = Reply([])
    ids = set()
    for chunk in stream:
        reply.chunks += 1
        ids.add(chunk.id)
        expect_equal(chunk.object, "chat.completion.chunk" if chat else "text_completion", "the object of a chunk")
        expect(reply.usage is None, "a chunk follows the one with the usage")
        if not chunk.choices:
            reply.usage = chunk.usage
            expect(chunk.usage is not None, "a chunk has neither a choice nor the usage")
            continue
        choice = chunk.choices[0]
        answer = answers[choice.index]
        expect(not answer.reason, "a chunk follows the last one of its answer")
        if chat:
            answer.text += choice.delta.content or ""
            for call in choice.delta.tool_calls or []:
                expect(call.index <= len(answer.calls), f"call {call.index} comes after {len(answer.calls)} calls")
                if call.index == len(answer.calls):
                    expect(call.id and call.function.name, "a call begins without an id or a name")
                    answer.calls.append((call.function.name, ""))
                name, arguments = answer.calls[call.index]
                answer.calls[call.index] = (name, arguments + (call.function.arguments or ""))
        else:
            answer.text += choice.text
        with_entries(answer, choice.logprobs, chat_entries if chat else completion_entries)
        answer.reason = choice.finish_reason or ""
    expect(len(ids) == 1, f"the chunks of a stream have the ids {ids}")
    reply.answers = [answers[index] for index in range(len(answers))]
    expect(all(answer.reason for answer in reply.answers), "an answer of a stream has no finish_reason")
    return reply


class Session:
    """A client of a server. Threads: any number of calls."""

    calls = 0  # of all sessions
    lock = threading.Lock()

    def __init__(self, url, key="none", timeout=120):
        self.client = openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0, timeout=timeout)
        self.model = None

    def create(self, resource, fields):
        with Session.lock:
            Session.calls += 1
        if self.model is None and "model" not in fields:
            self.model = self.client.models.list().data[0].id
        fields = {"model": self.model, **fields}
        extra = dict(fields.pop("extra_body", {}))
        for name in EXTENSIONS & fields.keys():
            extra[name] = fields.pop(name)
        return resource.create(**fields, extra_body=extra)

    def open_chat(self, said="Say something.", **fields):
        """A chat as the package returns it. `said` is what the user says, or all messages."""
        messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
        return self.create(self.client.chat.completions, {"messages": messages, **fields})

    def open_completion(self, prompt=STORY, **fields):
        return self.create(self.client.completions, {"prompt": prompt, **fields})

    def chat(self, *arguments, **fields):
        response = self.open_chat(*arguments, **fields)
        return read_stream(response, True) if fields.get("stream") else read_chat(response)

    def complete(self, *arguments, **fields):
        response = self.open_completion(*arguments, **fields)
        return read_stream(response, False) if fields.get("stream") else read_completion(response)


class Server:
    """A running copyspec-server, at a free port."""

    def __init__(self, program, model, *options, wait=True):
        self.sessions = []
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen([program, "--port", "0", *options, model], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        match = re.fullmatch(r"listening at (http://127\.0\.0\.1:[0-9]+)\n", line)
        if not match:
            self.stop()
            raise Failure(f"the server did not start: {line!r} {self.errors()}")
        self.url = match[1]
        try:
            if wait:
                self.wait_until(lambda: self.health() == 200, "the server is not ready", 60)
        except BaseException:
            self.stop()
            raise

    def session(self, *arguments, **fields):
        self.sessions.append(Session(self.url, *arguments, **fields))
        return self.sessions[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def errors(self):
        self.log.seek(0)
        return self.log.read()[-2000:]

    def stop(self):
        """Stops the server, and returns its exit status."""
        for session in self.sessions:
            session.client.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def get(self, path, key=None):
        headers = {"Authorization": "Bearer " + key} if key else {}
        with urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers), timeout=30) as response:
            return response.read().decode()

    def health(self):
        try:
            self.get("/health")
            return 200
        except urllib.error.HTTPError as error:
            return error.code
        except urllib.error.URLError:
            return None

    def metrics(self, key=None):
        """The samples, by name with labels; without the first part of the name."""
        samples = {}
        for line in self.get("/metrics", key).splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name.removeprefix("copyspec_")] = float(value)
        return samples

    def wait_until(self, condition, failure, seconds=10):
        end = time.monotonic() + seconds
        while not condition():
            expect(self.process.poll() is None, "the server has ended:", self.errors())
            expect(time.monotonic() < end, f"{failure} after {seconds} s")
            time.sleep(0.02)

    def wait_idle(self, key=None):
        """Until nothing is generated, so that the next answer is alone."""
        self.wait_until(lambda: self.metrics(key)["requests_running"] + self.metrics(key)["requests_waiting"] == 0,
                        "requests are still running")


def distributions_agree(one, other):
    """Whether the same text came before both entries, as far as their likeliest tokens tell."""
    for entry, against in ((one, other), (other, one)):
        token, logprob = entry.top[0]
        if abs(dict(against.top).get(token, -math.inf) - logprob) > AGREEMENT:
            return False
    return True


def difference(one, other, greedy=True):
    """Nothing if the answers are the same; what is between them if they parted at a near-tie; else a failure. Both have
    the likeliest tokens. Answers that are not `greedy` part where the random number is near the border of two tokens:
    then the likeliest ones of both must agree."""
    if one.said() == other.said():
        return None
    pairs = list(zip(one.entries, other.entries))
    at = next((i for i, (a, b) in enumerate(pairs) if a.token != b.token), len(pairs))
    where = f"token {at} of {one.text[:60]!r} and {other.text[:60]!r}"
    if at < len(pairs):
        a, b = pairs[at]
        expect(distributions_agree(a, b), f"the likeliest tokens do not agree at {where}: {a.top} and {b.top}")
        # Of these two tokens, since rules may forbid others that are likelier; where the engine was less sure.
        margins = [entry.logprob - dict(entry.top)[token] for entry, token in ((a, b.token), (b, a.token))
                   if token in dict(entry.top)]
        margin = min(map(abs, margins), default=abs(a.logprob - b.logprob))
        names = f"{a.token!r} or {b.token!r}"
    else:
        # One of them ended, at a token that it does not show.
        longer = max(one.entries, other.entries, key=len)
        expect(at < len(longer), f"the tokens are the same, but not what is made of them, at {where}: "
                                 f"{one.said()} and {other.said()}")
        margin = longer[at].top[0][1] - longer[at].top[1][1]
        names = f"{longer[at].token!r} or the end"
    expect(not greedy or margin < NEAR_TIE, f"no near-tie, but {names} with a margin of {margin:.3f}, at {where}")
    return f"{names} with a margin of {margin:.3f}, at {where}"


near_ties = []


def expect_same(one, other, greedy=True):
    for a, b in zip(one.answers, other.answers):
        if tie := difference(a, b, greedy):
            near_ties.append(tie)


def expect_logprobs(entries, top, what):
    """The entries of an answer are what they say."""
    for i, entry in enumerate(entries):
        place = f"token {i} of {what}: {entry}"
        values = [value for _, value in entry.top]
        expect(len(entry.top) == top, f"there are {len(entry.top)} likeliest tokens, not {top}, at {place}")
        expect(values == sorted(values, reverse=True), "the likeliest tokens are not sorted, at", place)
        expect(sum(map(math.exp, values)) <= 1 + 1e-4, "the likeliest tokens have more than all the chance, at", place)
        expect(entry.logprob <= 0, "a logprob is greater than 0, at", place)
        own = dict(entry.top).get(entry.token)
        if own is not None:
            expect(own == entry.logprob, "the token has two logprobs, at", place)
        elif values:
            expect(entry.logprob <= values[-1], "the token is not among the likeliest ones, but likelier, at", place)


def expect_valid(value, schema, path="the answer"):
    """`value` is what the schema says, as far as the schemas here need it."""
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    if "enum" in schema:
        expect(value in schema["enum"], f"{path} is {value!r}, not one of {schema['enum']}")
    if "type" in schema:
        expect(isinstance(value, kinds[schema["type"]]), f"{path} is {value!r}, and no {schema['type']}")
    if isinstance(value, dict) and "properties" in schema:
        for name in schema.get("required", []):
            expect(name in value, f"{path} has no {name}: {value}")
        for name, inner in value.items():
            expect(name in schema["properties"], f"{path} has {name}, which the schema has not: {value}")
            expect_valid(inner, schema["properties"][name], f"{path}.{name}")
    if isinstance(value, list):
        expect(schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf),
               f"{path} has {len(value)} items")
        for i, inner in enumerate(value):
            expect_valid(inner, schema["items"], f"{path}[{i}]")


def json_of(text, what):
    try:
        return json.loads(text)
    except ValueError as error:
        raise Failure(f"{what} is no JSON: {text!r}: {error}") from None


@contextlib.contextmanager
def refused(kind, status=None, param=None, code=None):
    """What is done inside raises this exception of the package, with these fields."""
    try:
        yield
    except kind as error:
        if status is not None:
            expect_equal(error.status_code, status, f"the status of {error.message!r}")
        if param is not None:
            expect_equal(error.param, param, f"the param of {error.message!r}")
        if code is not None:
            expect_equal(error.code, code, f"the code of {error.message!r}")
        expect(isinstance(error.body, dict) and error.body.get("message"), f"an error has no message: {error.body}")
        return
    except openai.OpenAIError as error:
        raise Failure(f"{error!r} was raised, not {kind.__name__}") from error
    raise Failure(f"{kind.__name__} was not raised, for {param or status or code}")


# What is asked of one server, which is idle between two checks.


def check_models(_, session):
    models = session.client.models.list().data
    expect_equal(len(models), 1, "the number of models")
    expect_equal(session.client.models.retrieve(models[0].id).id, models[0].id, "the model that was asked for")


def check_chat(server, session):
    reply = session.chat("Name three colours.", max_tokens=12)
    expect(reply.text, "a chat has no text")
    usage = reply.usage
    expect(0 < usage.completion_tokens <= 12, f"12 tokens were asked for: {usage}")
    expect_equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens, "total_tokens")


def check_completion(server, session):
    reply = session.complete(COPY, temperature=0, max_tokens=6)
    expect_equal(reply.text, " brown fox jumps over the lazy", "the text")
    expect_equal(reply.reason, "length", "finish_reason")
    expect_equal(reply.usage.completion_tokens, 6, "completion_tokens")
    expect_equal(len(session.complete(max_tokens=None).text) > 0, True, "that a text has a default length")
    usage = session.complete(ignore_eos=True, extra_body={"max_tokens": None}).usage
    expect_equal(usage.completion_tokens, 16, "the number of tokens where max_tokens is not given")


def check_streams(server, session):
    """A stream is what the whole answer is, and its usage is what was streamed."""
    for ask, said in ((session.chat, "Repeat: " + FOX), (session.complete, COPY)):
        logprobs = {"logprobs": True, "top_logprobs": 2} if ask == session.chat else {"logprobs": 2}
        fields = dict(temperature=0, max_tokens=16, **logprobs)
        whole = ask(said, **fields)
        streamed = ask(said, **fields, stream=True, stream_options={"include_usage": True})
        expect(streamed.chunks > 3, f"a stream has {streamed.chunks} chunks")
        expect_same(whole, streamed)
        expect(streamed.usage is not None, "include_usage gives no usage")
        expect_equal(len(streamed.entries), streamed.usage.completion_tokens, "the number of tokens streamed")
        expect_equal(streamed.usage.prompt_tokens, whole.usage.prompt_tokens, "prompt_tokens of a stream")
        expect_equal(b"".join(entry.token for entry in streamed.entries).decode(), streamed.text, "the tokens' text")
        expect(ask(said, max_tokens=3, stream=True).usage is None, "a stream has a usage that was not asked for")


def check_stream_arrives(server, session):
    """A stream arrives while the answer is generated."""
    for open_one in (session.open_chat, session.open_completion):
        begin = time.monotonic()
        times = [time.monotonic() - begin for _ in open_one(stream=True, max_tokens=32, ignore_eos=True, seed=1)]
        spread = (times[-1] - times[1]) / times[-1]
        expect(spread > 0.3, f"all {len(times)} chunks of a stream arrive after {1 - spread:.0%} of its time")


def check_stream_status(server, session):
    """A stream that the client has read to its last event counts as answered, though it closes the connection then."""
    def counts():
        samples = server.metrics()
        return [samples.get(f'requests_total{{endpoint="/v1/completions",status="{status}"}}', 0)
                for status in (200, 499)]

    streams = 16
    before = counts()
    for _ in range(streams):
        session.complete(max_tokens=1, stream=True)
    server.wait_until(lambda: sum(counts()) == sum(before) + streams, "not all streams are counted")
    expect_equal(counts()[1], before[1], f"the number of streams, of {streams}, that count as left")


def check_several_answers(server, session):
    reply = session.chat("Name a colour.", n=3, seed=5, max_tokens=10, temperature=1.5)
    expect_equal(len(reply.answers), 3, "the number of answers")
    expect(len({answer.text for answer in reply.answers}) > 1, "all answers with one seed are the same")
    one = session.chat("Name a colour.", seed=5, max_tokens=10, temperature=1.5)
    expect_equal(one.usage.prompt_tokens, reply.usage.prompt_tokens, "prompt_tokens of several answers")
    fields = dict(n=2, temperature=0, max_tokens=8, logprobs=2)
    prompts = [COPY, STORY]
    whole = session.complete(prompts, **fields)
    expect_equal(len(whole.answers), 4, "the number of answers")
    for answer in whole.answers[:2]:
        expect(answer.text.startswith(" brown fox"), f"the first prompt is answered so: {answer.text!r}")
    expect(not whole.answers[2].text.startswith(" brown fox"), "the second prompt is answered as the first")
    expect_equal(sum(len(answer.entries) for answer in whole.answers), whole.usage.completion_tokens, "all tokens")
    streamed = session.complete(prompts, **fields, stream=True, stream_options={"include_usage": True})
    expect_same(whole, streamed)
    expect_equal(sum(len(answer.entries) for answer in streamed.answers), streamed.usage.completion_tokens,
                 "the number of tokens streamed")


def check_token_prompts(server, session):
    reply = session.complete([[1000, 1001, 1002], [1000]], max_tokens=2)
    expect_equal(reply.usage.prompt_tokens, 4, "prompt_tokens of prompts of tokens")
    expect_equal(len(reply.answers), 2, "the number of answers")


def check_stops(server, session):
    """Stop strings that begin and end anywhere in tokens. The text ends before the one that begins first."""
    text = " brown fox jumps over the lazy dog."
    for stop in (" jumps", "umps ov", "wn f", "x", [" lazy", "he la", "brown!"], [" dog", "o"], "not in it"):
        stops = [stop] if isinstance(stop, str) else stop
        end = min((text.find(one) for one in stops if one in text), default=len(text))
        for stream in (False, True):
            reply = session.complete(COPY, temperature=0, max_tokens=8, stop=stop, stream=stream)
            expect_equal(reply.text, text[:end], f"the text before {stop!r}, stream {stream},")
            expect_equal(reply.reason, "length" if end == len(text) else "stop", f"finish_reason with {stop!r}")
    # min_tokens counts for these, too.
    reply = session.complete(COPY, temperature=0, max_tokens=8, stop="o", min_tokens=4)
    expect_equal(reply.text, " brown fox jumps over the lazy d", "the text with min_tokens")
    expect_equal(session.complete(COPY, temperature=0, max_tokens=8, stop=[]).text, text, "the text with no stops")


def check_seeds(server, session):
    """Without drafts and with the prompt held, all passes are the same, so the texts are."""
    fields = dict(max_tokens=10, speculative=PLAIN)
    session.complete(**fields)
    texts = [session.complete(seed=seed, **fields).text for seed in (7, 7, 8, -7)]
    expect_equal(texts[1], texts[0], "the text with the same seed")
    expect(len(set(texts)) == 3, f"other seeds give the same text: {texts}")
    expect(session.complete(**fields).text != session.complete(**fields).text, "without a seed, texts are the same")
    # With drafts, only the rounding may part them.
    fields = dict(prompt=COPY, max_tokens=12, seed=11, temperature=0.7, logprobs=5)
    expect_same(session.complete(**fields), session.complete(**fields), greedy=False)
    expect_same(session.complete(**fields), session.complete(**fields, speculative=PLAIN), greedy=False)
    # With hardly any choice, it is the likeliest one.
    for one in ({"top_p": 1e-9}, {"top_k": 1}, {"min_p": 1}):
        reply = session.complete(COPY, max_tokens=6, **one)
        expect_equal(reply.text, " brown fox jumps over the lazy", f"the text with {one}")


def check_plain_decoding(server, session):
    """What is drafted changes no answer."""
    accepted = 0
    # Whether drafts pay is learnt from times, which other programs disturb. So some patience is needed.
    for attempt in range(12):
        if attempt >= 4 and accepted > 0:
            break
        fields = dict(temperature=0, max_tokens=20)
        if attempt % 2 == 0:
            ask, said, fields["logprobs"] = session.complete, f"{attempt}: {COPY}", 5
        else:
            ask, said = session.chat, f"Repeat this: {attempt} {FOX}"
            fields.update(logprobs=True, top_logprobs=5, prediction={"type": "content", "content": f"{attempt} {FOX}"})
        drafted, plain = ask(said, **fields), ask(said, **fields, speculative=PLAIN)
        expect_same(drafted, plain)
        expect_equal(plain.usage.speculation["draft_tokens"], 0, "the number of draft tokens without speculation")
        accepted += drafted.usage.speculation["accepted_tokens"]
        for which, reply in (("an answer with drafts", drafted), ("an answer without drafts", plain)):
            expect_logprobs(reply.entries, 5, which)
        for a, b in zip(drafted.entries, plain.entries):
            if a.token != b.token:
                break
            expect(abs(a.logprob - b.logprob) < AGREEMENT, f"logprobs differ with drafts: {a} and {b}")
            expect(distributions_agree(a, b), f"the likeliest tokens differ with drafts: {a} and {b}")
    expect(accepted > 0, "no draft token was accepted, so nothing is known of them")
    limited = session.complete(COPY, max_tokens=16, temperature=0, speculative={"max_draft_tokens": 1})
    counts = limited.usage.speculation
    expect(counts["draft_tokens"] == counts["drafts"], f"a draft has more than the one token it may have: {counts}")


def check_logprobs(server, session):
    for top in (0, 1, 20):
        reply = session.chat("Name a colour.", max_tokens=8, temperature=1.2, logprobs=True, top_logprobs=top)
        expect_logprobs(reply.entries, top, "a chat")
        expect_equal(len(reply.entries), reply.usage.completion_tokens, "the number of entries")
    reply = session.chat("Name a colour.", max_tokens=8, logprobs=True)
    expect_logprobs(reply.entries, 0, "a chat")
    expect(session.chat("Name a colour.", max_tokens=4).entries is None, "there are logprobs that nobody asked for")
    response = session.open_completion(COPY + " brown fox é", max_tokens=12, temperature=0, logprobs=3)
    logprobs = response.choices[0].logprobs
    expect_logprobs(completion_entries(logprobs), 3, "a completion")
    text = response.choices[0].text
    for token, offset in zip(logprobs.tokens, logprobs.text_offset):
        expect(text[offset - logprobs.text_offset[0]:].startswith(token), f"no {token!r} at {offset} of {text!r}")
    # A grammar forbids the likeliest tokens. They are shown all the same.
    reply = session.complete(COPY, grammar='root ::= "zebra"', temperature=0, logprobs=2)
    expect_equal(reply.text, "zebra", "the text that the grammar allows")
    expect_logprobs(reply.entries, 2, "a completion with a grammar")


def check_text_offsets(server, session):
    """They are in characters, wherever characters of several bytes are."""
    response = session.open_completion(max_tokens=20, temperature=0, logprobs=1, grammar='root ::= "é日本 ok"')
    text, logprobs = response.choices[0].text, response.choices[0].logprobs
    expect_equal(text, "é日本 ok", "the text")
    last = logprobs.text_offset[-1] - logprobs.text_offset[0]
    expect_equal(text[last:], logprobs.tokens[-1], f"the text at the last of the offsets {logprobs.text_offset}")


def check_logit_bias(server, session):
    """A token is found by making it the only choice; then it is forbidden where it is the likeliest one."""
    for token in (12345, 5000, 9000):
        word = session.complete(COPY, max_tokens=1, logit_bias={str(token): 100}, temperature=0).text
        if re.fullmatch(" [a-z]+", word):
            break
    prompt = COPY.replace(" brown", word)
    expect_equal(session.complete(prompt, max_tokens=1, temperature=0).text, word, "the likeliest word")
    for fields in (dict(temperature=0), dict(seed=3)):
        reply = session.complete(prompt, max_tokens=12, logit_bias={str(token): -100}, logprobs=0, **fields)
        expect(word.encode() not in [entry.token for entry in reply.entries],
               f"{word!r} was forbidden, and is in {reply.text!r}")


def check_lengths(server, session):
    end = {"2": 100}  # the end of a turn, always
    expect_equal(session.complete(logit_bias=end, temperature=0).usage.completion_tokens, 0, "completion_tokens")
    reply = session.complete(logit_bias=end, temperature=0, min_tokens=5, max_tokens=9)
    expect_equal((reply.usage.completion_tokens, reply.reason), (5, "stop"), "tokens and reason with min_tokens")
    reply = session.complete(logit_bias=end, temperature=0, ignore_eos=True, max_tokens=9)
    expect_equal((reply.usage.completion_tokens, reply.reason), (9, "length"), "tokens and reason with ignore_eos")
    reply = session.chat(max_completion_tokens=3, max_tokens=5, ignore_eos=True)
    expect_equal(reply.usage.completion_tokens, 3, "completion_tokens with max_completion_tokens")
    expect_equal(session.complete(max_tokens=1).usage.completion_tokens, 1, "completion_tokens with max_tokens 1")


def check_penalties(server, session):
    prompt = "one two " * 10
    for penalty in ("frequency_penalty", "presence_penalty"):
        counts = [session.complete(prompt, max_tokens=16, temperature=0, ignore_eos=True, **{penalty: value})
                  .text.split().count("two") for value in (0, 2)]
        expect(counts[0] > counts[1], f"{penalty} leaves {counts[1]} of {counts[0]} repetitions")
        session.complete(prompt, max_tokens=4, **{penalty: -2})


COLOUR = {"type": "object", "properties": {"colour": {"enum": ["red", "green"]},
                                           "parts": {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 1,
                                                     "maxItems": 2}},
          "required": ["colour", "parts"], "additionalProperties": False}


def schema_format(schema):
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def check_json(server, session):
    for stream in (False, True):
        for fields in (dict(temperature=0), dict(seed=1, temperature=1.5)):
            reply = session.chat("Describe a flag.", response_format=schema_format(COLOUR), max_tokens=60,
                                 stream=stream, **fields)
            expect_equal(reply.reason, "stop", "finish_reason of an answer in JSON")
            expect_valid(json_of(reply.text, "the answer"), COLOUR)
    reply = session.chat("Write exactly this: {\"a\": 1}", response_format={"type": "json_object"}, max_tokens=40,
                         temperature=0)
    if reply.reason == "stop":
        expect_valid(json_of(reply.text, "the answer"), {"type": "object"})
    else:
        expect(reply.text.lstrip().startswith("{"), f"the answer is no object: {reply.text!r}")
    expect(session.chat(response_format={"type": "text"}, max_tokens=3).text, "a text has no text")
    text = {"type": "object", "properties": {"note": {"type": "string"}}, "required": ["note"]}
    reply = session.complete("A note in JSON: ", temperature=0, max_tokens=6,
                             extra_body={"response_format": schema_format(text)})
    expect(reply.text.startswith("{"), f"a completion in JSON begins with {reply.text!r}")


def check_grammar(server, session):
    grammar = 'root ::= ("ab" | "cd"){3} "!"'
    for fields in (dict(temperature=0), dict(temperature=2, seed=4), dict(temperature=2, seed=5)):
        for ask in (session.chat, session.complete):
            reply = ask("Letters:", grammar=grammar, max_tokens=20, **fields)
            expect(re.fullmatch("(ab|cd){3}!", reply.text), f"the grammar has not {reply.text!r}")
            expect_equal(reply.reason, "stop", "finish_reason of an answer by a grammar")
    # Rules that allow no token are the client's doing.
    with refused(openai.BadRequestError, 400):
        session.complete(grammar='root ::= "yes"', ignore_eos=True, max_tokens=9)


def function(name, properties):
    return {"type": "function", "function": {
        "name": name, "description": f"Does {name}.",
        "parameters": {"type": "object", "properties": properties, "required": list(properties)}}}


TOOLS = [function("paint", {"colour": {"enum": ["red", "green"]}}), function("wait", {"hours": {"enum": [1, 2]}})]


def expect_calls(reply, names):
    tools = {tool["function"]["name"]: tool["function"]["parameters"] for tool in TOOLS}
    for name, arguments in reply.calls:
        expect(name in names, f"{name} is not among the functions {names}")
        expect_valid(json_of(arguments, "the arguments"), tools[name], "the arguments")
    if reply.calls and reply.reason != "length":
        expect_equal(reply.reason, "tool_calls", "finish_reason of an answer with calls")


def check_tools(server, session):
    said = "Paint the wall."
    for stream in (False, True):
        reply = session.chat(said, tools=TOOLS, tool_choice="required", max_tokens=60, temperature=0, stream=stream,
                             parallel_tool_calls=False)
        expect_equal(len(reply.calls), 1, "the number of calls that are required")
        expect_calls(reply, ("paint", "wait"))
        expect(not reply.text, f"a required call comes with a text: {reply.text!r}")
        name = "wait" if stream else "paint"
        reply = session.chat(said, tools=TOOLS, max_tokens=60, seed=2, stream=stream,
                             tool_choice={"type": "function", "function": {"name": name}})
        expect_equal(len(reply.calls), 1, "the number of calls of a named function")
        expect_calls(reply, (name,))
    reply = session.chat(said, tools=TOOLS, tool_choice="none", max_tokens=10)
    expect(not reply.calls and reply.text, f"there must be a text and no call: {reply}")
    expect_equal(reply.usage.prompt_tokens, session.chat(said, max_tokens=1).usage.prompt_tokens,
                 "prompt_tokens with functions that must not be called")
    reply = session.chat(said, tools=TOOLS, tool_choice="required", max_tokens=5, temperature=0)
    expect_equal((reply.calls, reply.reason), ([], "length"), "the calls of an answer that is cut off")


def check_tool_conversation(server, session):
    """A model that is weak calls again what was called before."""
    messages = [{"role": "system", "content": "You help."}]
    for number, colour in enumerate(("red", "green", "red", "red")):
        call = {"id": f"call_{number}", "type": "function",
                "function": {"name": "paint", "arguments": json.dumps({"colour": colour})}}
        messages += [{"role": "user", "content": f"Paint it {colour}."},
                     {"role": "assistant", "content": None, "tool_calls": [call]}]
        if number == 0:
            messages += [{"role": "tool", "tool_call_id": call["id"], "content": "done"},
                         {"role": "assistant", "content": "Done."}]
    messages.append({"role": "user", "content": [{"type": "text", "text": "Paint it"},
                                                 {"type": "text", "text": " green."}]})
    for fields in ({"tool_choice": "auto"}, {"stream": True}):
        reply = session.chat(messages, tools=TOOLS, max_tokens=40, temperature=0, **fields)
        expect_calls(reply, ("paint", "wait"))
        expect(reply.calls, f"nothing is called again: {reply.text!r}")
    session.chat(max_tokens=1, tools=[])


def check_tool_text_in_arguments(server, session):
    """What ends a call may be in its arguments."""
    tag = {"enum": ["a</tool_call>b"]}
    for stream in (False, True):
        reply = session.chat("Tag it.", tools=[function("tag", {"tag": tag})], tool_choice="required", temperature=0,
                             max_tokens=60, parallel_tool_calls=False, stream=stream)
        expect_equal([json_of(arguments, "the arguments") for _, arguments in reply.calls],
                     [{"tag": "a</tool_call>b"}], f"the arguments, beside the text {reply.text!r},")


def check_prediction(server, session):
    parts = [FOX[:10], FOX[10:], FOX]
    contents = {"a string": FOX * 2, "parts": [{"type": "text", "text": part} for part in parts]}
    sums = set()
    for name, content in contents.items():
        reply = session.chat("Repeat: " + FOX * 2, temperature=0, max_tokens=24,
                             prediction={"type": "content", "content": content})
        details = reply.usage.completion_tokens_details
        expect(details.accepted_prediction_tokens > 0, f"nothing of a prediction as {name} was accepted: {reply.text}")
        sums.add(details.accepted_prediction_tokens + details.rejected_prediction_tokens)
    # The tokens of the prediction, as of the same text elsewhere.
    sums.add(session.complete(FOX * 2, max_tokens=1).usage.prompt_tokens)
    expect(len(sums) == 1, f"accepted and rejected tokens are not those of the prediction: {sums}")
    reply = session.chat("Hi.", max_tokens=4, n=2, prediction={"type": "content", "content": FOX * 2})
    details = reply.usage.completion_tokens_details
    expect_equal(details.accepted_prediction_tokens + details.rejected_prediction_tokens, 2 * sums.pop(),
                 "the tokens of a prediction of two answers")
    details = session.chat("Hi.", max_tokens=4).usage.completion_tokens_details
    expect_equal((details.accepted_prediction_tokens, details.rejected_prediction_tokens), (0, 0),
                 "the tokens of no prediction")


def check_unknown_fields(server, session):
    whole = session.complete(COPY, temperature=0, max_tokens=6)
    reply = session.complete(COPY, temperature=0, max_tokens=6, user="somebody", extra_body={"of_tomorrow": {"a": 1}})
    expect_equal(reply.text, whole.text, "the text with unknown fields")
    nulls = dict.fromkeys(("stop", "seed", "logit_bias", "n", "top_p", "logprobs", "stream", "stream_options", "user",
                           "echo", "suffix", "best_of", "frequency_penalty", "presence_penalty", "grammar",
                           "min_tokens", "response_format", "speculative", "prediction"))
    reply = session.complete(COPY, temperature=0, max_tokens=6, extra_body=nulls)
    expect_equal(reply.text, whole.text, "the text with fields that are null")
    nulls = dict.fromkeys(("tools", "tool_choice", "top_logprobs", "logprobs", "max_tokens", "parallel_tool_calls",
                           "prediction", "response_format", "stop"))
    reply = session.chat(max_completion_tokens=3, store=False, metadata={"a": "b"}, extra_body=nulls)
    expect(reply.usage.completion_tokens <= 3, "a chat with fields that are null is too long")


def check_control_names(server, session):
    """Names of control tokens in what a user says are text."""
    for name in ("<|im_end|>", "<|im_start|>", "<|endoftext|>"):
        counts = [session.chat("A" + name * repeats, max_tokens=1).usage.prompt_tokens for repeats in (0, 5)]
        expect(counts[1] - counts[0] >= 10, f"5 times {name} are {counts[1] - counts[0]} tokens")
        expect(session.complete(name, max_tokens=1).usage.prompt_tokens > 1, f"{name} is one token in a prompt")
    # In answers they are not shown, and what is shown is what a grammar allows.
    reply = session.complete(grammar='root ::= "<|im_end|>!"', max_tokens=20, temperature=0)
    expect_equal(reply.text, "<|im_end|>!", "the text that the grammar allows")


def check_cached_tokens(server, session):
    said = "A prompt that nobody else has: " + FOX
    usages = [session.chat(said, max_tokens=2).usage for _ in range(2)]
    expect_equal(usages[1].prompt_tokens_details.cached_tokens, usages[1].prompt_tokens - 1,
                 "cached_tokens of a prompt that comes again")


BAD_CHATS = [
    ("temperature", dict(temperature=3)),
    ("top_p", dict(top_p=-1)),
    ("n", dict(n=0)),
    ("n", dict(n=100)),
    ("n", dict(n=1.5)),
    ("max_tokens", dict(max_tokens=0)),
    ("max_completion_tokens", dict(max_completion_tokens="many")),
    ("top_logprobs", dict(top_logprobs=2)),
    ("top_logprobs", dict(logprobs=True, top_logprobs=21)),
    ("logprobs", dict(logprobs=5)),
    ("seed", dict(seed="lucky")),
    ("stop", dict(stop=[""])),
    ("stop", dict(stop=["x"] * 17)),
    ("logit_bias", dict(logit_bias={"x": 1})),
    ("logit_bias", dict(logit_bias={"99999999": 1})),
    ("logit_bias.5", dict(logit_bias={"5": 101})),
    ("frequency_penalty", dict(frequency_penalty=2.1)),
    ("messages", dict(said=[])),
    ("messages[0].role", dict(said=[{"role": "king", "content": "?"}])),
    ("messages[0].content", dict(said=[{"role": "user"}])),
    ("messages[0].content[0].type", dict(said=[{"role": "user", "content": [{"type": "image_url"}]}])),
    ("messages[1].tool_call_id", dict(said=[{"role": "user", "content": "?"}, {"role": "tool", "content": "?"}])),
    ("messages", dict(said="word " * 5000)),
    ("response_format.type", dict(response_format={"type": "xml"})),
    ("response_format.json_schema", dict(response_format={"type": "json_schema"})),
    ("response_format", dict(response_format=schema_format({"type": "no such type"}))),
    ("grammar", dict(grammar="root ::= nothing")),
    ("grammar", dict(grammar=5)),
    ("tools[0].function.name", dict(tools=[{"type": "function", "function": {}}])),
    ("tools[1].function.name", dict(tools=[TOOLS[0], TOOLS[0]])),
    ("tool_choice", dict(tools=TOOLS, tool_choice={"type": "function", "function": {"name": "fly"}})),
    ("tool_choice", dict(tool_choice="required")),
    ("tool_choice", dict(tools=TOOLS, tool_choice="perhaps")),
    ("prediction.type", dict(prediction={"type": "dream", "content": "x"})),
    ("prediction.content", dict(prediction={"type": "content"})),
    ("stream_options", dict(stream_options={"include_usage": True})),
    ("speculative.max_draft_tokens", dict(speculative={"max_draft_tokens": -1})),
]

BAD_COMPLETIONS = [
    ("prompt", dict(prompt=[])),
    ("prompt", dict(prompt="")),
    ("prompt", dict(prompt=[99999999])),
    ("prompt", dict(prompt=[-1])),
    ("prompt", dict(prompt=[["a"]])),
    ("prompt", dict(prompt="word " * 5000)),
    ("logprobs", dict(logprobs=21)),
    ("echo", dict(echo=True)),
    ("suffix", dict(suffix="end")),
    ("best_of", dict(best_of=3)),
    ("min_tokens", dict(min_tokens=-1)),
]


def check_bad_requests(server, session):
    failures = []
    for ask, cases in ((session.chat, BAD_CHATS), (session.complete, BAD_COMPLETIONS)):
        for param, fields in cases:
            try:
                with refused(openai.BadRequestError, 400, param):
                    ask(**{"max_tokens": 1, **fields})
            except Failure as failure:
                failures.append(f"{str(fields)[:100]}: {failure}")
    expect(not failures, "; ".join(failures))
    with refused(openai.BadRequestError, 400, "messages", "context_length_exceeded"):
        session.chat("word " * 5000)
    with refused(openai.BadRequestError, 400, "temperature"):
        session.chat(temperature=3, stream=True)


def check_wrong_model(server, session):
    with refused(openai.NotFoundError, 404, "model", "model_not_found"):
        session.chat(model="another")
    with refused(openai.NotFoundError, 404, "model", "model_not_found"):
        session.complete(model="another", stream=True)
    with refused(openai.NotFoundError, 404, "model", "model_not_found"):
        session.client.models.retrieve("another")
    with refused(openai.NotFoundError, 404):
        session.client.embeddings.create(model="another", input="x")


def check_leaving(server, session):
    """A client that leaves frees its place, whether it reads a stream or waits for the whole answer."""
    long = dict(max_tokens=800, ignore_eos=True)
    for open_one in (session.open_chat, session.open_completion):
        stream = open_one(stream=True, **long)
        for _ in range(4):
            next(stream)
        expect_equal(server.metrics()["requests_running"], 1, "requests_running during a stream")
        stream.close()
        server.wait_until(lambda: server.metrics()["requests_running"] == 0, "a stream that was left still runs", 5)
    impatient = server.session(timeout=0.5)
    try:
        impatient.complete(model=session.model, **long)
        raise Failure("an answer of 800 tokens takes less than half a second")
    except openai.APITimeoutError:
        pass
    server.wait_until(lambda: server.metrics()["requests_running"] == 0, "an answer that was left still runs", 5)


# What needs servers of its own.


def check_keys_and_limits(program, model, options):
    with tempfile.TemporaryDirectory() as folder:
        keys = os.path.join(folder, "keys")
        with open(keys, "w", encoding="utf-8") as file:
            file.write("# a name and a key\nann key-of-ann\n\nbob key-of-bob\n")
        with Server(program, model, "--api-keys", keys, "--sequences", "1", "--queue", "1", "--body", "20000",
                    *options) as server:
            ann, bob, nobody = (server.session(key) for key in ("key-of-ann", "key-of-bob", "key-of-nobody"))
            check_keys(server, ann, nobody)
            check_body(ann)
            check_full_queue(server, ann, bob)


def check_keys(server, ann, nobody):
    expect(ann.chat(max_tokens=2).usage.completion_tokens > 0, "a key that is known is refused")
    for call in (lambda: nobody.chat(model=ann.model), lambda: nobody.complete(model=ann.model, stream=True),
                 nobody.client.models.list):
        with refused(openai.AuthenticationError, 401, code="invalid_api_key"):
            call()
    expect_equal(server.health(), 200, "the status of /health without a key")
    try:
        server.metrics()
        raise Failure("/metrics needs no key")
    except urllib.error.HTTPError as error:
        expect_equal(error.code, 401, "the status of /metrics without a key")


def check_body(session):
    with refused(openai.BadRequestError, 400, "n"):
        session.chat(n=2)
    for size in (30000, 3000000):
        with refused(openai.APIStatusError, 413):
            session.chat("x" * size)
    expect(session.chat(max_tokens=1).usage, "after a body that is too long, nothing is answered")


def check_full_queue(server, ann, bob):
    """One answer is generated, one prompt waits, and the next is refused."""
    key = "key-of-ann"
    stream = ann.open_chat(stream=True, max_tokens=800, ignore_eos=True)
    next(stream)
    waiting = []
    thread = threading.Thread(target=lambda: waiting.append(bob.complete(COPY, temperature=0, max_tokens=6)))
    thread.start()
    server.wait_until(lambda: server.metrics(key)["requests_waiting"] == 1, "nothing waits")
    for fields in ({}, {"stream": True}):
        with refused(openai.InternalServerError, 503, code="unavailable"):
            ann.chat(**fields)
    stream.close()
    thread.join(60)
    expect(waiting, "what waited was not answered")
    expect_equal(waiting[0].text, " brown fox jumps over the lazy", "what waited")
    expect(ann.chat(max_tokens=1).usage, "after the queue was full, nothing is answered")


def check_deadline(program, model, options):
    with Server(program, model, "--deadline", "1", *options) as server:
        session = server.session()
        long = dict(max_tokens=3500, ignore_eos=True)
        with refused(openai.InternalServerError, 504):
            session.complete(**long)
        stream = session.open_completion(stream=True, **long)
        count = 0
        try:
            for _ in stream:
                count += 1
            raise Failure("a stream ends after its deadline without an error")
        except openai.APIError as error:
            expect("time" in error.message, f"the error of a stream that is late is {error.message!r}")
        expect(count > 0, "a stream that is late has no chunk")
        expect(session.chat(max_tokens=1).usage, "after a deadline, nothing is answered")


def check_loading(program, model, options):
    """A model that comes through a pipe is loading for as long as nobody writes."""
    with tempfile.TemporaryDirectory() as folder:
        pipe = os.path.join(folder, "model.gguf")
        os.mkfifo(pipe)
        with Server(program, pipe, *options, wait=False) as server:
            session = server.session()
            expect_equal(server.health(), 503, "the status of /health while the model is loaded")
            for fields in ({}, {"stream": True}):
                with refused(openai.InternalServerError, 503, code="unavailable"):
                    session.chat(model="model", **fields)
            with refused(openai.InternalServerError, 503, code="unavailable"):
                session.client.models.list()
            with open(pipe, "wb") as file:
                file.write(b"this is no model")
            session.client.close()
            status = server.process.wait(30)
            expect(status != 0, "a server without a model ends as if all was well")
            expect("not a GGUF file" in server.errors(), "the server does not say what is wrong:", server.errors())


def check_stopping(program, model, options):
    """A server that is stopped finishes its answers, and takes no more."""
    with Server(program, model, *options) as server:
        session = server.session()
        stream = session.open_completion(COPY, stream=True, temperature=0, max_tokens=60, ignore_eos=True, logprobs=0)
        first = next(stream)
        server.process.terminate()
        server.wait_until(lambda: server.health() == 503, "a server that is stopped says that it is well", 5)
        with refused(openai.InternalServerError, 503, code="unavailable"):
            session.chat()
        count = sum(len(chunk.choices[0].logprobs.tokens) for chunk in (first, *stream) if chunk.choices[0].logprobs)
        expect_equal(count, 60, "the number of tokens of a stream while the server stops")
        session.client.close()
        expect_equal(server.process.wait(30), 0, "the exit status of a server that is stopped")
        with socket.socket() as again:
            expect(again.connect_ex(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) != 0, "something listens still")


def make_parser(description):
    """The parser of a program that stops its servers when it is stopped itself."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--program", default="copyspec-server")
    parser.add_argument("--model", required=True, help="a GGUF file")
    parser.add_argument("--threads", default="1", help="of llama.cpp; on busy cores, one is fastest")
    parser.add_argument("--weights", choices=("file", "f32"), default="file", help="as copyspec-server has them")
    return parser


def run_on_server(test, arguments):
    """Runs `test(server, arguments)` with a server of its own, which must end with 0. Returns the program's status."""
    try:
        with Server(arguments.program, arguments.model, "--threads", arguments.threads, "--weights",
                    arguments.weights) as server:
            test(server, arguments)
        status = server.stop()
        expect(status == 0, f"the server ended with {status}: {server.errors()}")
        expect("Sanitizer" not in server.errors(), server.errors())
    except Failure as failure:
        print("FAILED", failure)
        return 1
    print(f"{Session.calls} calls")
    return 0


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--only", default="", help="a part of the names of the checks to be run")
    parser.add_argument("--seconds", action="store_true", help="show how long each check takes")
    arguments = parser.parse_args()
    options = ("--threads", arguments.threads, "--weights", arguments.weights)
    passed, failures = 0, []

    def run(check, *given):
        nonlocal passed
        if arguments.only not in check.__name__:
            return
        begin = time.monotonic()
        try:
            check(*given)
            passed += 1
        except Failure as failure:
            failures.append(f"{check.__name__}: {failure}")
            print("FAILED", failures[-1], flush=True)
        except Exception:  # pylint: disable=broad-exception-caught
            failures.append(f"{check.__name__}: {traceback.format_exc()}")
            print("FAILED", failures[-1], flush=True)
        if arguments.seconds:
            print(f"{check.__name__}: {time.monotonic() - begin:.1f} s", flush=True)

    with Server(arguments.program, arguments.model, *options) as server:
        session = server.session()
        for check in (check_models, check_plain_decoding, check_chat, check_completion, check_streams,
                      check_stream_arrives, check_stream_status, check_several_answers, check_token_prompts,
                      check_stops, check_seeds, check_logprobs, check_text_offsets, check_logit_bias, check_lengths,
                      check_penalties, check_json, check_grammar, check_tools, check_tool_conversation,
                      check_tool_text_in_arguments, check_prediction, check_unknown_fields, check_control_names,
                      check_cached_tokens, check_bad_requests, check_wrong_model, check_leaving):
            run(check, server, session)
        if server.process.poll() is not None:
            failures.append("the server has ended")
            print("FAILED the server has ended:", server.errors())
    for check in (check_keys_and_limits, check_deadline, check_loading, check_stopping):
        run(check, arguments.program, arguments.model, options)

    for tie in near_ties:
        print("near-tie:", tie)
    print(f"{Session.calls} calls, {passed} checks passed" + (f", {len(failures)} failed" if failures else ""))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
