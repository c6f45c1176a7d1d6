#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# cpp-httplib 0.11.4 (Debian 12, libcpp-httplib-dev 0.11.4+ds-1+deb12u1): server-sent events with a charset arrive at the end.
#
# One would expect: a parameter of the content type changes nothing. With set_chunked_content_provider, events of the type
# `text/event-stream; charset=utf-8` reach a client as they are written, as those of `text/event-stream` do.
# What happens: cpp-httplib compresses texts for clients that accept gzip or Brotli, as browsers and the HTTP clients of
# Python do. Exempt is the type that is exactly `text/event-stream`. With the parameter, the stream is compressed, and
# the compressor holds all events back until the stream ends.
# Seen: six events, one each 200 ms. Without the parameter, and with it for a client that accepts no compression, the first
# arrives at once. With it, for one that accepts gzip, nothing arrives before a second has passed.
set -euo pipefail
work=$(mktemp -d)
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
server=
cd "$work"
apt-get download -qq libcpp-httplib-dev=0.11.4+ds-1+deb12u1 libcpp-httplib0.11=0.11.4+ds-1+deb12u1
for package in *.deb; do dpkg-deb --extract "$package" root; done
cat > server.cpp <<'CPP'
#include <httplib.h>

#include <chrono>
#include <cstdio>
#include <thread>

int main() {
  httplib::Server server;
  for (char const* type : {"text/event-stream", "text/event-stream; charset=utf-8"})
    server.Get(type[17] == 0 ? "/plain" : "/charset", [type](httplib::Request const&, httplib::Response& response) {
      response.set_chunked_content_provider(type, [count = 0](std::size_t, httplib::DataSink& sink) mutable {
        char const event[] = "data: token\n\n";
        sink.write(event, sizeof(event) - 1);
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        if (++count == 6) sink.done();
        return true;
      });
    });
  std::printf("%d\n", server.bind_to_any_port("127.0.0.1"));
  std::fflush(stdout);
  server.listen_after_bind();
}
CPP
# As the package was built; its other libraries are those of the system.
g++ -std=c++17 -DCPPHTTPLIB_OPENSSL_SUPPORT -DCPPHTTPLIB_ZLIB_SUPPORT -DCPPHTTPLIB_BROTLI_SUPPORT -I root/usr/include server.cpp \
  root/usr/lib/*/libcpp-httplib.so.0.11 -Wl,-rpath,"$(echo root/usr/lib/*)" -pthread -o server
./server > port &
server=$!
until [ -s port ]; do sleep 0.1; done
python3 - "$(cat port)" <<'PY'
import http.client
import sys
import time
import zlib


def first_event(path, encoding):
    """Seconds from the request to the first bytes of the first event, and how the body is encoded."""
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    begin = time.monotonic()
    connection.request("GET", path, headers={"Accept-Encoding": encoding})
    response = connection.getresponse()
    decode = zlib.decompressobj(31).decompress if response.getheader("Content-Encoding") == "gzip" else bytes
    while not decode(response.read1(4096)):
        pass
    seconds = time.monotonic() - begin
    connection.close()
    return seconds, response.getheader("Content-Encoding")


seen = {(path, encoding): first_event(path, encoding) for path in ("/plain", "/charset") for encoding in ("identity", "gzip")}
for (path, encoding), (seconds, used) in seen.items():
    print(f"{path}, a client that accepts {encoding}: first event after {seconds:.2f} s, encoding {used}")
late = {key for key, (seconds, _) in seen.items() if seconds > 1}
if late != {("/charset", "gzip")} or seen["/charset", "gzip"][1] != "gzip":
    sys.exit(f"CHANGED: late are {late}")
PY
