#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a copyspec-server over two workers, and kills one of them in the middle of an answer, again and again.

    python3 workers.py --program copyspec-server --worker copyspec-worker --model FILE [--trials 20]

Its answers must be those of a server without workers. When a worker dies, the client must hear of it within five seconds;
when the worker is back, the next request must be answered, and as before. No answer may come twice or be cut off as if it
were complete.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

QUESTION = {"messages": [{"role": "user", "content": "Count from one to twenty in words."}], "temperature": 0,
            "max_tokens": 40}
LONG = {**QUESTION, "max_tokens": 1500, "ignore_eos": True, "stream": True}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def post(base, body, timeout):
    request = urllib.request.Request(base + "/v1/chat/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    return urllib.request.urlopen(request, timeout=timeout)


def ask(base, timeout=60):
    """The text of the answer to the question; None while the server is not ready."""
    try:
        with post(base, QUESTION, timeout) as response:
            return json.load(response)["choices"][0]["message"]["content"]
    except (OSError, urllib.error.HTTPError):
        return None


def ask_until(base, seconds):
    """Asks until there is an answer. Returns it, and how long that took."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        answer = ask(base)
        if answer is not None:
            return answer, time.monotonic() - begin
        time.sleep(0.1)
    return None, seconds


class Stream(threading.Thread):
    """A long answer, and how it ended."""

    def __init__(self, base):
        super().__init__()
        self.base, self.begun, self.ended, self.complete = base, threading.Event(), None, False

    def run(self):
        try:
            with post(self.base, LONG, 60) as response:
                for line in response:
                    if line.startswith(b"data: {"):
                        self.begun.set()
                    self.complete = self.complete or line.startswith(b"data: [DONE]")
        except Exception:  # whatever the library makes of a broken connection
            pass
        self.ended = time.monotonic()


def start(command, log):
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--program", "--worker", "--model"):
        parser.add_argument(name, required=True)
    parser.add_argument("--trials", type=int, default=20)
    arguments = parser.parse_args()
    log = open(os.devnull, "w")
    ports = [free_port(), free_port(), free_port(), free_port()]
    processes = {}

    def start_worker(port):
        processes[port] = start([arguments.worker, "--port", str(port), "--threads", "1"], log)

    def start_server(port, more):
        processes[port] = start([arguments.program, arguments.model, "--port", str(port), *more], log)
        return f"http://127.0.0.1:{port}"

    failures = []
    try:
        alone = start_server(ports[0], [])
        expected, _ = ask_until(alone, 60)
        processes.pop(ports[0]).terminate()
        for port in ports[1:3]:
            start_worker(port)
        workers = [part for port in ports[1:3] for part in ("--worker", f"127.0.0.1:{port}")]
        base = start_server(ports[3], ["--supervise", *workers])
        answer, _ = ask_until(base, 60)
        if answer is None or answer != expected:
            failures.append(f"with workers {answer!r}, without {expected!r}")
        heard, back = [], []
        for trial in range(arguments.trials):
            stream = Stream(base)
            stream.start()
            if not stream.begun.wait(30):
                failures.append(f"trial {trial}: no answer began")
                break
            time.sleep(0.1 + 0.05 * (trial % 5))
            victim = ports[1 + trial % 2]
            killed = time.monotonic()
            processes[victim].kill()
            processes[victim].wait()
            stream.join(30)
            if stream.ended is None or stream.complete:
                failures.append(f"trial {trial}: the client heard nothing, or of a complete answer")
                break
            heard.append(stream.ended - killed)
            start_worker(victim)
            answer, seconds = ask_until(base, 60)
            back.append(seconds)
            if answer != expected:
                failures.append(f"trial {trial}: afterwards {answer!r}, not {expected!r}")
            if heard[-1] > 5:
                failures.append(f"trial {trial}: the client heard of it after {heard[-1]:.1f} s")
            print(f"trial {trial}: heard after {heard[-1]:.2f} s, answered {back[-1]:.1f} s after the worker's return",
                  flush=True)
        if heard:
            print(f"{len(heard)} trials: heard after at most {max(heard):.2f} s, answered at most {max(back):.1f} s "
                  "after the worker's return")
    finally:
        for process in reversed(list(processes.values())):
            process.terminate()
        for process in processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
