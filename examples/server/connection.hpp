// SPDX-License-Identifier: MIT
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <httplib.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <string>

namespace copyspec_server {

/// One connection of cpp-httplib, whose own stream bounds neither the headers of a request nor the time that it may
/// take. Reads ahead, so that requests sent together are not lost. Threads: one call at a time.
class Connection final : public httplib::Stream {
 public:
  using Clock = std::chrono::steady_clock;

  /// Requests may have `most_bytes` in all. Once `stopping`, no more is read.
  Connection(int socket, std::atomic<bool> const& stopping, std::size_t most_bytes)
      : socket_(socket), stopping_(&stopping), most_bytes_(most_bytes) {}

  /// Whether a request has a body that nobody has read: then nothing after it can be told from it.
  bool unread = false;

  /// Waits for the first byte of the next request. From it on, `time` is left to read the whole of it.
  bool next_request(std::chrono::seconds idle, std::chrono::seconds time) {
    if (read_ > most_bytes_) return false;
    read_ = 0;
    deadline_ = Clock::now() + idle;
    if (begin_ == end_ && !fill()) return false;
    deadline_ = Clock::now() + time;
    return true;
  }

  bool is_readable() const override { return begin_ < end_ || ready(POLLIN, 0); }
  bool is_writable() const override { return !left() && ready(POLLOUT, 0); }

  ssize_t read(char* data, size_t size) override {
    if (begin_ == end_ && !fill()) return -1;
    size_t const count = std::min(size, end_ - begin_);
    read_ += count;
    // Of the headers too: they are not bounded elsewhere.
    if (read_ > most_bytes_) return -1;
    std::memcpy(data, buffer_.data() + begin_, count);
    begin_ += count;
    return static_cast<ssize_t>(count);
  }

  ssize_t write(char const* data, size_t size) override {
    auto const until = Clock::now() + std::chrono::seconds(10);
    for (;;) {
      ssize_t const sent = send(socket_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent >= 0) return sent;
      if (errno != EAGAIN && errno != EINTR) return -1;
      if (Clock::now() > until) return -1;
      static_cast<void>(ready(POLLOUT, 100));
    }
  }

  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    sockaddr_storage peer{};
    socklen_t size = sizeof(peer);
    if (getpeername(socket_, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return;
    std::array<char, INET6_ADDRSTRLEN> text{};
    bool const v4 = peer.ss_family == AF_INET;
    void const* const address = v4 ? static_cast<void const*>(&reinterpret_cast<sockaddr_in&>(peer).sin_addr)
                                   : &reinterpret_cast<sockaddr_in6&>(peer).sin6_addr;
    inet_ntop(peer.ss_family, address, text.data(), text.size());
    ip = text.data();
    port = ntohs(v4 ? reinterpret_cast<sockaddr_in&>(peer).sin_port : reinterpret_cast<sockaddr_in6&>(peer).sin6_port);
  }
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return socket_; }

  /// Whether the client has closed its end, or the connection is broken. A client that closes only the end it writes to
  /// counts as gone.
  [[nodiscard]] bool left() const {
    pollfd state{.fd = socket_, .events = POLLRDHUP, .revents = 0};
    return poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
  }

  /// Closes the connection. What the client still sends is read for a moment and dropped, since it might otherwise lose
  /// the response.
  void finish() {
    if (unread) {
      shutdown(socket_, SHUT_WR);
      deadline_ = Clock::now() + std::chrono::seconds(2);
      for (std::size_t dropped = 0; dropped < most_bytes_ && fill(); dropped += end_) {
      }
    }
    shutdown(socket_, SHUT_RDWR);
    close(socket_);
  }

 private:
  bool ready(short events, int milliseconds) const {
    pollfd state{.fd = socket_, .events = events, .revents = 0};
    return poll(&state, 1, milliseconds) > 0;
  }

  bool fill() {
    while (Clock::now() < deadline_ && !*stopping_) {
      if (!ready(POLLIN, 100)) continue;
      ssize_t const count = recv(socket_, buffer_.data(), buffer_.size(), 0);
      if (count < 0 && errno == EINTR) continue;
      begin_ = 0;
      end_ = count > 0 ? static_cast<size_t>(count) : 0;
      return count > 0;
    }
    return false;
  }

  int socket_;
  std::atomic<bool> const* stopping_;
  std::size_t most_bytes_;
  std::size_t read_ = 0;  // of this request
  Clock::time_point deadline_;
  std::array<char, 16384> buffer_{};
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace copyspec_server
