#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Looks at copyspec-server's page in headless Chromium, with Python's standard library alone.

    python3 page.py --program copyspec-server --model FILE [--screenshot OUT.png]

Needs Debian's packages chromium and chromium-driver. Where they are missing, it says "skipped:" and ends with 0.
"""

import argparse
import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

KEY = "key-of-the-test-0123456789"
LETTER = """Repeat this letter, but address it to Maria:

Dear Anna,

Thank you for your letter of 12 May. We have received the parts and will install them in the second week of June.

Kind regards,
Peter Brandt"""
PICTURED = """Repeat this letter:
Dear Anna,
Thank you for your letter of 12 May. We have received the parts and will install them in the second week of June. \
Please send the invoice to our office in Hamburg, and the manuals to the workshop in Bremen.
Kind regards,
Peter Brandt"""
HOSTILE = "<img src=x onerror='window.hacked = 1'><script>window.hacked = 2</script>&amp;"

# Answers in place of the server's, for what no model says when asked. Each is a list of events, or a status and a text.
FAKE_FETCH = """
window.realFetch ??= window.fetch;
const answers = arguments[0];
window.asked = [];
window.fetch = async (url, options) => {
  window.asked.push({url, body: JSON.parse(options.body), headers: options.headers});
  const answer = answers.shift();
  if (answer.status) return new Response(answer.text, {status: answer.status});
  const bytes = new TextEncoder().encode(answer.filter(one => one !== 'WAITS').map(one => `data: ${one}\\n\\n`).join(''));
  // One byte at a time: neither characters nor events come whole.
  return new Response(new ReadableStream({
    async start(controller) {
      for (const byte of bytes) {
        if (options.signal.aborted) return controller.error(new DOMException('', 'AbortError'));
        controller.enqueue(new Uint8Array([byte]));
      }
      if (answer.at(-1) === 'WAITS')
        options.signal.addEventListener('abort', () => controller.error(new DOMException('', 'AbortError')));
      else
        controller.close();
    }}));
};"""

# The contrast of every text on the page with what is behind it.
LOW_CONTRASTS = """
const channels = colour => colour.match(/[\\d.]+/g).map(Number);
const luminance = colour => {
  const [r, g, b] = channels(colour).map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = node => {
  for (; node; node = node.parentElement) {
    const colour = getComputedStyle(node).backgroundColor;
    if (channels(colour)[3] !== 0) return colour;
  }
};
const low = [];
for (const node of document.body.querySelectorAll('*')) {
  if (!node.checkVisibility() || node.disabled || ['SCRIPT', 'STYLE'].includes(node.tagName)) continue;
  if (![...node.childNodes].some(child => child.nodeType === 3 && child.data.trim())) continue;
  const [a, b] = [getComputedStyle(node).color, behind(node)].map(luminance);
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < 4.5) low.push(`${node.tagName} ${node.className || node.id}: ${contrast.toFixed(2)}`);
}
return low;"""


def wait_for(what, ready, seconds=240):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := ready():
            return value
        time.sleep(0.1)
    raise TimeoutError(f"after {seconds} s still not: {what}")


@contextlib.contextmanager
def program(command, pattern):
    """A running program, and what `pattern` found in what it writes."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        found = None
        for line in process.stdout:
            if found := re.search(pattern, line):
                break
        if not found:
            raise RuntimeError(f"{command[0]} ended with {process.wait()} before it was ready")
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield found[1]
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Browser:
    """A session of chromedriver, by WebDriver's HTTP protocol."""

    def __init__(self, driver, chromium, folder):
        self.base = driver
        arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                     f"--user-data-dir={folder}"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # Chromium's sandbox does not run as root
        session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": chromium, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})
        self.base += f"/session/{session['sessionId']}"

    def _ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def open(self, url):
        self._ask("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        return self._ask("POST", "/execute/sync", {"script": script, "args": arguments})

    def devtools(self, command, **parameters):
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def logs(self, kind):
        return self._ask("POST", "/se/log", {"type": kind})

    def _element(self, selector):
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        return "/element/" + next(iter(found.values()))

    def click(self, selector):
        self._ask("POST", self._element(selector) + "/click", {})

    def type(self, selector, text):
        self._ask("POST", self._element(selector) + "/value", {"text": text})

    def screenshot(self):
        return base64.b64decode(self._ask("GET", "/screenshot"))

    def close(self):
        self._ask("DELETE", "")


class Page:
    """What a reader of the page sees and does."""

    def __init__(self, browser, url):
        self.browser, self.url = browser, url

    def open(self):
        self.browser.open(self.url + "/")

    def texts(self, selector):
        return self.browser.run("return [...document.querySelectorAll(arguments[0])].map(one => one.textContent)", selector)

    def set(self, identifier, value):
        self.browser.run("const one = document.getElementById(arguments[0]); one.value = arguments[1];"
                         "one.dispatchEvent(new Event('change'));", identifier, value)

    def compare(self, on):
        self.browser.run("document.getElementById('compare').checked = arguments[0]", on)

    def fake(self, *answers):
        self.browser.run(FAKE_FETCH, list(answers))

    def submit(self, text):
        self.set("message", text)
        self.browser.type("#message", "\ue007")  # Enter

    def idle(self):
        return self.browser.run("return running === null")

    def send(self, text):
        self.submit(text)
        wait_for("the answer has ended", self.idle)

    def fresh(self, **settings):
        """An empty page, with the key."""
        self.open()
        self.set("key", KEY)
        for identifier, value in settings.items():
            self.set(identifier.replace("_", "-"), value)


def event(content=None, sources=None, finish=None, usage=None):
    choice = {"index": 0, "delta": {} if content is None else {"content": content}, "finish_reason": finish}
    if sources:
        choice["sources"] = [{"text": text, "source": source} for source, text in sources]
    return json.dumps({"choices": [] if usage else [choice], **({"usage": usage} if usage else {})}, ensure_ascii=False)


def answer(text, source="model"):
    usage = {"completion_tokens": 3, "speculation": {"passes": 2, "drafts": 1, "draft_tokens": 2, "accepted_tokens": 1}}
    return [event(""), event(text, [(source, text)]), event(finish="stop"), event(usage=usage), "[DONE]"]


def the_page_is_the_file(page):
    with urllib.request.urlopen(page.url + "/") as response:
        served, policy = response.read().decode(), response.headers["Content-Security-Policy"]
    source = pathlib.Path(__file__).resolve().parents[3] / "examples/server/page.html"
    assert served == source.read_text(), "the program serves another page than the file: build it again"
    assert "default-src 'none'" in policy and "connect-src 'self'" in policy, policy
    assert page.browser.run("return document.compatMode") == "CSS1Compat"


def a_key_that_is_missing_or_wrong_is_told(page):
    page.open()
    wait_for("the model line tells of the key", lambda: "no valid API key" in page.texts("#model")[0], 20)
    page.set("key", "wrong")
    page.send("Hello")
    assert page.texts(".error") == ["no valid API key was given"], page.texts(".error")
    assert page.browser.run("return document.getElementById('message').value") == "Hello", "the message is lost"
    page.set("key", "clé €")
    page.send("Hello")
    assert len(page.texts(".error")) == 2, "a key that no header can hold is not told of"
    page.set("key", KEY)
    wait_for("the model line has the model", lambda: page.texts("#model")[0].startswith("model: the-model"), 20)
    assert page.browser.run("return localStorage.length + sessionStorage.length + document.cookie.length") == 0


def what_was_copied_is_marked(page):
    page.fresh(max_tokens="96")
    page.send(LETTER)
    runs = page.browser.run("return [...document.querySelectorAll('.answer .text > *')]"
                            ".map(one => [one.tagName, one.className, one.title, one.textContent])")
    copied = [run for run in runs if run[0] == "MARK"]
    assert copied and all(run[1:3] == ["context", "copied from this chat"] for run in copied), runs
    content = page.browser.run("return chat.at(-1).content")
    assert "".join(run[3] for run in runs) == content and len(content) > 40, (content, runs)
    assert re.search(r"^\d+ tokens · [\d.]+ tokens/s · \d+ % copied · \d\.\d\d tokens a pass$", page.texts(".rates")[0])
    assert "Copying: complete" in page.texts("[role=status]")[0], page.texts("[role=status]")


def a_prediction_is_sent(page):
    prediction = "7 green 3 lamps 9 kettle 4 violin 1 harbour 6 candle 2 orchard 8 mirror 5 ladder 7 saddle"
    page.fresh(max_tokens="48", prediction=prediction)
    page.send(f"Write this once more: {prediction[:40]}")
    body = page.browser.run("return requestFor('x')")
    assert body["prediction"] == {"type": "content", "content": prediction}, body
    assert page.texts(".error") == [], page.texts(".error")


def side_by_side_tells_the_truth(page):
    page.fresh(max_tokens="64")
    page.compare(True)
    page.send(LETTER)
    copying, plain = page.texts(".answer .text")
    verdict = page.texts(".comparison")[0]
    assert page.texts(".answer:nth-child(2) mark") == [], "plain decoding copied"
    assert verdict.startswith("The answers are identical." if copying == plain else "The answers differ from"), verdict
    assert "1.00 tokens a pass" in page.texts(".rates")[1], page.texts(".rates")

    page.fake(answer("Grüße, A😀B"), answer("Grüße, A😀C"))
    page.send("Again")
    verdict = page.texts(".comparison")[-1]
    assert verdict.startswith('The answers differ from character 10 on: "B" and "C".'), verdict
    enabled = [one["body"]["speculative"] for one in page.browser.run("return asked")]
    assert enabled == [{"show_sources": True, "enabled": True}, {"show_sources": True, "enabled": False}], enabled
    assert page.browser.run("return asked[0].body.seed === asked[1].body.seed")

    page.fake(answer("Good."), [event("Go"), json.dumps({"error": {"message": "the engine failed"}}), "[DONE]"])
    page.send("Again")
    assert page.texts(".error") == ["the engine failed"], page.texts(".error")
    assert page.texts(".comparison")[-1].startswith("Not compared"), page.texts(".comparison")


def a_chat_has_turns(page):
    page.fresh(max_tokens="24")
    page.send("My name is Peter.")
    first = page.browser.run("return chat.at(-1).content")
    page.fake(answer("Peter.", "history"))
    page.send("What is my name?")
    asked = page.browser.run("return asked[0].body.messages.map(one => [one.role, one.content])")
    assert asked == [["user", "My name is Peter."], ["assistant", first], ["user", "What is my name?"]], asked
    assert page.texts("mark.history")[-1] == "Peter."
    page.browser.click("#new")
    assert page.texts("section") == [] and page.browser.run("return chat.length") == 0


def html_stays_text(page):
    page.fresh(max_tokens="24")
    page.send(f"Repeat this: {HOSTILE}")
    kinds = ["model", "context", "reference", "history", "draft-model", HOSTILE]
    page.fake([event(HOSTILE * len(kinds), [(kind, HOSTILE) for kind in kinds]), *answer(HOSTILE)[2:]],
              {"status": 400, "text": json.dumps({"error": {"message": HOSTILE}})}, {"status": 502, "text": HOSTILE})
    for _ in range(3):
        page.send(HOSTILE)
    assert page.texts(".answer .text")[1] == HOSTILE * len(kinds), page.texts(".answer .text")
    assert page.texts(".error") == [HOSTILE, "HTTP status 502"], page.texts(".error")
    assert page.browser.run("return document.querySelectorAll('img, section script').length") == 0
    assert page.browser.run("return window.hacked ?? 0") == 0
    assert page.browser.run("return [...document.querySelectorAll('section mark')].every(one => one.title)")


def an_answer_can_be_stopped(page):
    page.fresh()
    page.compare(True)
    page.fake([event("Half an", [("model", "Half an")]), "WAITS"])
    page.submit("Begin")
    wait_for("the answer has begun", lambda: page.texts(".answer .text")[:1] == ["Half an"], 20)
    page.browser.click("#stop")
    wait_for("the answer has ended", page.idle, 20)
    assert page.texts(".note") == ["Stopped.", "Not asked."], page.texts(".note")
    assert page.browser.run("return [asked.length, chat.length]") == [1, 2]
    page.fake([event("cut", [("model", "cut")])])
    page.send("Once more")
    assert page.texts(".error") == ["The connection ended before the answer did."], page.texts(".error")


def an_answer_is_shown_while_it_is_written(page):
    page.fresh(max_tokens="1000")
    page.submit("Write a long story about a lighthouse.")
    wait_for("the answer has begun", lambda: len(page.texts(".answer .text")[0]) > 20)
    assert not page.idle(), "the answer came at once: something between the engine and the page holds it back"
    assert page.texts(".rates")[0].startswith("≈ "), page.texts(".rates")
    page.browser.click("#stop")
    wait_for("the answer has ended", page.idle, 5)
    assert page.texts(".note") == ["Stopped."], page.texts(".note")


def keys_send_and_break_lines(page):
    page.fresh()
    page.fake(answer("Yes."))
    page.browser.type("#message", "one\ue008\ue007\ue000two")  # with Shift held, Enter
    assert page.browser.run("return document.getElementById('message').value") == "one\ntwo"
    page.browser.type("#message", "\ue007")
    wait_for("the answer has ended", page.idle, 20)
    assert page.browser.run("return asked[0].body.messages[0].content") == "one\ntwo"


def it_is_readable_dark_and_narrow(page):
    backgrounds = set()
    for scheme in ("light", "dark"):
        page.browser.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.fresh()
        kinds = ["model", "context", "reference", "history", "other"]
        page.fake([event("-", [(kind, f"from {kind} ") for kind in kinds]), *answer("")[2:]])
        page.send("Show all marks")
        page.browser.run("document.querySelector('details').open = true")
        assert page.browser.run(LOW_CONTRASTS) == [], (scheme, page.browser.run(LOW_CONTRASTS))
        backgrounds.add(page.browser.run("return getComputedStyle(document.body).backgroundColor"))
    assert len(backgrounds) == 2, backgrounds
    page.browser.devtools("Emulation.setEmulatedMedia", features=[])
    page.compare(True)
    page.fake(answer("x" * 300), answer("x" * 300))
    page.send("y" * 300)
    left = "return [...document.querySelectorAll('section:last-child .answer')].map(one => one.getBoundingClientRect().left)"
    assert len(set(page.browser.run(left))) == 2, "no two columns"
    page.browser.devtools("Emulation.setDeviceMetricsOverride", width=340, height=600, deviceScaleFactor=1, mobile=True)
    try:
        assert page.browser.run("return document.documentElement.scrollWidth") <= 340, "wider than the screen"
        assert page.browser.run("return document.getElementById('log').scrollWidth") <= 340, "wider than the screen"
        assert len(set(page.browser.run(left))) == 1, "two columns on a narrow screen"
        assert page.browser.run("return document.getElementById('log').clientHeight") > 50, "no room for the chat"
    finally:
        page.browser.devtools("Emulation.clearDeviceMetricsOverride")


def every_control_has_a_name(page):
    page.fresh()
    nameless = page.browser.run("return [...document.querySelectorAll('input, textarea, button')]"
                                ".filter(one => !one.textContent.trim() && !one.labels?.length).map(one => one.id)")
    assert nameless == [], nameless


def no_request_leaves_the_server(page):
    entries = page.browser.run("return performance.getEntriesByType('resource').map(one => one.name)")
    sent = [json.loads(one["message"])["message"] for one in page.browser.logs("performance")]
    sent = [one["params"] for one in sent if one["method"] == "Network.requestWillBeSent"]
    sent = {one["request"]["url"] for one in sent if not one["documentURL"].startswith("chrome://")}  # its first, empty tab
    assert page.url + "/v1/chat/completions" in sent, sent
    elsewhere = [url for url in {*entries, *sent} if not url.startswith((page.url + "/", "data:"))]
    assert elsewhere == [], elsewhere
    # The answers 401 that were asked for are in the log, too.
    errors = [one["message"] for one in page.browser.logs("browser") if "status of 401" not in one["message"]]
    assert errors == [], errors


TESTS = [the_page_is_the_file, a_key_that_is_missing_or_wrong_is_told, what_was_copied_is_marked,
         a_prediction_is_sent, side_by_side_tells_the_truth, a_chat_has_turns, html_stays_text,
         an_answer_can_be_stopped, an_answer_is_shown_while_it_is_written, keys_send_and_break_lines,
         it_is_readable_dark_and_narrow, every_control_has_a_name, no_request_leaves_the_server]


def take_screenshot(page, file):
    page.browser.devtools("Emulation.setDeviceMetricsOverride", width=1200, height=800, deviceScaleFactor=1, mobile=False)
    page.fresh()
    page.browser.click("#example")  # meanwhile the server learns what passes cost
    page.browser.click("#send")
    wait_for("the answer has ended", page.idle)
    page.fresh()
    page.compare(True)
    page.send(PICTURED)
    assert page.texts(".error") == [], page.texts(".error")
    page.browser.run("document.activeElement.blur(); document.getElementById('log').scrollTop = 0")
    pathlib.Path(file).write_bytes(page.browser.screenshot())
    print(f"{file}: {page.texts('.rates')}, {page.texts('.comparison')}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="copyspec-server")
    parser.add_argument("--model", required=True, help="a GGUF file")
    parser.add_argument("--screenshot", metavar="OUT.png", help="only takes a picture of the page")
    options = parser.parse_args()
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        print(f"SKIPPED\nskipped: no {'chromium' if not chromium else 'chromedriver'} (Debian's chromium and chromium-driver)")
        return 0

    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        (folder / "keys").write_text(f"tester {KEY}\n")
        name = ["--name", "the-model"] if not options.screenshot else []
        url = stack.enter_context(program([options.program, "--port", "0", "--api-keys", str(folder / "keys"), *name,
                                           "--context", "2048", "--cache", "4096", "--threads", "1", options.model],
                                          r"listening at (http://\S+)"))

        def healthy():
            try:
                return urllib.request.urlopen(url + "/health", timeout=5).status == 200
            except urllib.error.HTTPError as error:
                if error.code == 503:
                    return False
                raise

        wait_for("the server is ready", healthy)
        port = stack.enter_context(program([driver, "--port=0"], r"started successfully on port (\d+)"))
        browser = Browser(f"http://127.0.0.1:{port}", chromium, folder / "profile")
        stack.callback(browser.close)
        page = Page(browser, url)
        if options.screenshot:
            take_screenshot(page, options.screenshot)
            return 0
        failed = 0
        for test in TESTS:
            name, begin = test.__name__.replace("_", " "), time.monotonic()
            try:
                test(page)
                print(f"passed: {name} ({time.monotonic() - begin:.1f} s)", flush=True)
            except (AssertionError, IndexError, RuntimeError, TimeoutError) as error:
                failed += 1
                print(f"FAILED: {name}: {type(error).__name__}: {error}", flush=True)
        print(f"{len(TESTS) - failed} of {len(TESTS)} passed")
        return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
