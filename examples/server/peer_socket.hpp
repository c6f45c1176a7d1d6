// SPDX-License-Identifier: MIT
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace copyspec_server {

/// The connection of a client, which cpp-httplib 0.11 does not give to handlers: found among the open sockets by the
/// address and the port of the other end. Valid while the handler runs. O(open files).
class PeerSocket {
 public:
  PeerSocket(std::string const& address, int port) {
    std::error_code error;
    for (auto const& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
      std::string const name = entry.path().filename().string();
      int descriptor = -1;
      std::from_chars(name.data(), name.data() + name.size(), descriptor);
      if (descriptor >= 0 && peer_is(descriptor, address, port)) socket_ = descriptor;
    }
  }

  /// Whether the client has closed its end, or the connection is broken. A client that closes only the end it writes to
  /// counts as gone, as it does for streams.
  [[nodiscard]] bool left() const {
    if (socket_ < 0) return false;
    pollfd state{.fd = socket_, .events = POLLRDHUP, .revents = 0};
    return poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
  }

  /// Nothing more is read from the client, so that what it sent and nobody read is not taken for its next request.
  void read_no_more() const {
    if (socket_ >= 0) shutdown(socket_, SHUT_RD);
  }

 private:
  static bool peer_is(int descriptor, std::string_view address, int port) {
    sockaddr_storage peer{};
    socklen_t size = sizeof(peer);
    if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return false;
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (peer.ss_family == AF_INET) {
      auto const& v4 = reinterpret_cast<sockaddr_in const&>(peer);
      inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
      return ntohs(v4.sin_port) == port && address == text.data();
    }
    if (peer.ss_family != AF_INET6) return false;
    auto const& v6 = reinterpret_cast<sockaddr_in6 const&>(peer);
    inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    return ntohs(v6.sin6_port) == port && address == text.data();
  }

  int socket_ = -1;
};

}  // namespace copyspec_server
