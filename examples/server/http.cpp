// SPDX-License-Identifier: MIT
#include "http.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <ctime>
#include <exception>
#include <map>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "api_error.hpp"
#include "completion.hpp"
#include "connection.hpp"
#include "copyspec/core/error.hpp"
#include "openapi.hpp"
#include "page.hpp"

namespace copyspec_server {
namespace {

using namespace std::chrono_literals;

constexpr char const* json_type = "application/json";

// How often a connection is looked at while nothing is to be sent.
constexpr auto glance = 50ms;

// cpp-httplib makes sockets and closes them itself; here one outlives it.
class Listener : public httplib::Server {
 public:
  // Of the thread that calls it: the connection whose request it handles.
  static Connection& connection() { return *current; }
  std::atomic<bool> stopping = false;

  [[nodiscard]] int release() {
    int const listening = svr_sock_.exchange(INVALID_SOCKET);
    // By default, programs that this one starts do not get it, and five connections wait to be accepted.
    fcntl(listening, F_SETFD, 0);
    ::listen(listening, 512);
    return listening;
  }
  void adopt(int listening) { svr_sock_ = listening; }

 private:
  bool process_and_close_socket(socket_t socket) override {
    Connection connection(socket, stopping, payload_max_length_ + 65536);
    current = &connection;
    bool closed = false;
    for (std::size_t left = keep_alive_max_count_; left > 0 && !closed && !connection.unread; --left)
      if (!connection.next_request(5s, 30s) || !process_request(connection, left == 1, closed, nullptr)) break;
    connection.finish();
    current = nullptr;
    return true;
  }

  static thread_local Connection* current;
};
thread_local Connection* Listener::current = nullptr;

// By default, a second server could listen at the same port.
void reuse_address(int socket) {
  int const on = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

// One line, whatever is in it.
std::string one_line(std::string text) {
  std::ranges::replace_if(
      text, [](unsigned char byte) { return byte < 0x20 || byte == 0x7F; }, '?');
  return text;
}

bool is_address(std::string const& host) {
  in6_addr address{};
  bool const v6 = host.size() > 2 && host.front() == '[' && host.back() == ']' &&
                  inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address) == 1;
  return v6 || inet_pton(AF_INET, host.c_str(), &address) == 1;
}

}  // namespace

int listen_at(std::string const& host, int port) {
  Listener listener;
  std::map<std::string, std::string> methods;  // by path
  listener.set_socket_options(reuse_address);
  bool const bound = port == 0 ? listener.bind_to_any_port(host) > 0 : listener.bind_to_port(host, port);
  if (!bound)
    copyspec::raise_error(copyspec::ErrorCode::engine,
                          fmt::format("cannot listen at {}:{}; --port 0 takes a free port", host, port));
  return listener.release();
}

int port_of(int listening) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6 const&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in const&>(address).sin_port);
}

struct Http::Server {
  Server(HttpOptions its_options, Service& its_service, ApiKeys const& its_keys, Tenants& its_tenants)
      : options(std::move(its_options)), service(its_service), keys(its_keys), tenants(its_tenants) {
    set_up();
  }

  // What is said of one request when it has ended.
  struct Log {
    std::string endpoint;
    Clock::time_point arrived = Clock::now();
    std::string holder = "-";
    bool written = false;  // or will be, by the end of a stream
  };

  void set_up() {
    listener.new_task_queue = [count = options.connections] { return new httplib::ThreadPool(count); };
    listener.set_tcp_nodelay(true);
    listener.set_keep_alive_max_count(10000);
    listener.set_keep_alive_timeout(5);
    listener.set_read_timeout(10s);
    listener.set_write_timeout(10s);
    listener.set_payload_max_length(options.body_bytes);
    listener.set_default_headers({{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}});
    listener.set_error_handler([](httplib::Request const&, httplib::Response& response) {
      if (!response.body.empty()) return;
      std::string const what = response.status == 413 ? "the request is too long" : "the request cannot be read";
      response.set_content(ApiError(response.status, "invalid_request_error", what).body(), json_type);
    });
    listener.set_pre_routing_handler([this](httplib::Request const& request, httplib::Response& response) {
      return before_routing(request, response);
    });
    listener.set_post_routing_handler([](httplib::Request const&, httplib::Response& response) {
      // So that clients do not send their next request there.
      if (Listener::connection().unread) response.set_header("Connection", "close");
    });
    listener.set_exception_handler([](httplib::Request const&, httplib::Response& response, std::exception_ptr) {
      write_error(response, ApiError::failed("the server failed"));
    });

    get("/health", [this](httplib::Request const&, httplib::Response& response) { health(response); });
    get("/metrics", [this](httplib::Request const& request, httplib::Response& response) {
      static_cast<void>(holder_of(request));
      response.set_content(prometheus_text(service.metrics().read()), "text/plain; version=0.0.4");
    });
    get("/v1/models", [this](httplib::Request const& request, httplib::Response& response) {
      static_cast<void>(holder_of(request));
      static_cast<void>(service.model());
      response.set_content(to_text({{"object", "list"}, {"data", Json::array({model_json()})}}), json_type);
    });
    get("/v1/models/(.+)", [this](httplib::Request const& request, httplib::Response& response) {
      static_cast<void>(holder_of(request));
      static_cast<void>(service.model());
      require_model(request.matches[1]);
      response.set_content(to_text(model_json()), json_type);
    });
    get("/openapi.json", [](httplib::Request const&, httplib::Response& response) {
      response.set_content(std::string(openapi), json_type);
    });
    get("/", [](httplib::Request const&, httplib::Response& response) {
      response.set_header("Content-Security-Policy",
                          "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src "
                          "'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
      response.set_content(std::string(page), "text/html; charset=utf-8");
    });
    post("/v1/chat/completions", &parse_chat);
    post("/v1/completions", &parse_completion);
  }

  static void write_error(httplib::Response& response, ApiError const& error) {
    response.status = error.status();
    if (error.status() == 503) response.set_header("Retry-After", "1");
    if (error.status() == 401) response.set_header("WWW-Authenticate", "Bearer");
    response.set_content(error.body(), json_type);
  }

  // What is refused before its body is read.
  httplib::Server::HandlerResponse before_routing(httplib::Request const& request, httplib::Response& response) {
    Connection& connection = Listener::connection();
    // Until a handler has read it.
    std::string const length = request.get_header_value("Content-Length");
    connection.unread = request.has_header("Transfer-Encoding") || (!length.empty() && length != "0");
    // A part of a response makes no sense here, and cpp-httplib sends as many as are asked for.
    const_cast<httplib::Request&>(request).ranges.clear();
    auto const refuse = [&](ApiError const& error) {
      write_error(response, error);
      return httplib::Server::HandlerResponse::Handled;
    };
    std::string const path = request.path.starts_with("/v1/models/") ? "/v1/models/" : request.path;
    auto const allowed = methods.find(path);
    if (allowed == methods.end())
      return refuse({404, "invalid_request_error", fmt::format("there is no {}", one_line(request.path))});
    bool const fits = request.method == allowed->second || (request.method == "HEAD" && allowed->second == "GET");
    if (!fits) {
      response.set_header("Allow", allowed->second == "GET" ? "GET, HEAD" : allowed->second);
      return refuse({405, "invalid_request_error", fmt::format("{} is not for {}", path, one_line(request.method))});
    }
    // What it becomes is not bounded by its length.
    if (request.has_header("Content-Encoding"))
      return refuse({415, "invalid_request_error", "compressed bodies are not read"});
    return httplib::Server::HandlerResponse::Unhandled;
  }

  template <class Handle>
  void get(std::string const& path, Handle handle) {
    listener.Get(path, [this, path, handle](httplib::Request const& request, httplib::Response& response) {
      Log log{.endpoint = path};
      guarded(request, response, [&] { handle(request, response); });
      count(log, response.status == -1 ? 200 : response.status);
    });
    methods[path.ends_with("(.+)") ? "/v1/models/" : path] = "GET";
  }

  void post(std::string const& path, Request (*parse)(Json const&, RequestLimits const&)) {
    listener.Post(path, [this, path, parse](httplib::Request const& request, httplib::Response& response,
                                            httplib::ContentReader const& reader) {
      Log log{.endpoint = path};
      guarded(request, response, [&] { complete(request, response, reader, parse, log); });
      if (!log.written) finish(log, response.status, nullptr);
    });
    methods[path] = "POST";
  }

  // What `action` throws becomes the response.
  template <class Action>
  void guarded(httplib::Request const& request, httplib::Response& response, Action const& action) {
    try {
      require_host(request);
      action();
    } catch (ApiError const& error) {
      write_error(response, error);
    } catch (std::exception const& error) {
      write_error(response, ApiError::failed(error.what()));
    }
  }

  void require_host(httplib::Request const& request) const {
    std::string host = request.get_header_value("Host");
    if (std::size_t const colon = host.rfind(':');
        colon != std::string::npos && host.find(']', colon) == std::string::npos)
      host.resize(colon);
    std::ranges::transform(host, host.begin(), [](unsigned char byte) { return std::tolower(byte); });
    if (host == "localhost" || host == options.host || is_address(host) ||
        std::ranges::find(options.host_names, host) != options.host_names.end())
      return;
    throw ApiError(403, "invalid_request_error",
                   fmt::format("this server is not called {:?}: --host-name lets it be", one_line(host)));
  }

  // Who has the key of a request. Without keys, all requests are of one tenant.
  [[nodiscard]] std::string holder_of(httplib::Request const& request) const {
    if (!keys.required()) return "all";
    std::string const header = request.get_header_value("Authorization");
    constexpr std::string_view scheme = "Bearer ";
    auto const holder =
        header.starts_with(scheme) ? keys.find(std::string_view(header).substr(scheme.size())) : std::nullopt;
    if (!holder) throw ApiError(401, "invalid_request_error", "no valid API key was given", {}, "invalid_api_key");
    return *holder;
  }

  void require_model(std::string const& name) const {
    if (!name.empty() && name != options.model_name)
      throw ApiError(404, "invalid_request_error",
                     fmt::format("there is no model {:?}: this server has {:?}", one_line(name), options.model_name),
                     "model", "model_not_found");
  }

  [[nodiscard]] Json model_json() const {
    return {{"id", options.model_name}, {"object", "model"}, {"created", started}, {"owned_by", "copyspec"}};
  }

  void health(httplib::Response& response) const {
    auto const [status, word] = [&]() -> std::pair<int, char const*> {
      switch (service.state()) {
        case Service::State::ready:
          return {200, "ok"};
        case Service::State::loading:
          return {503, "loading"};
        case Service::State::failed:
          return {500, "failed"};
        default:
          return {503, "stopping"};
      }
    }();
    response.status = status;
    response.set_content(to_text({{"status", word}}), json_type);
  }

  [[nodiscard]] std::string read_body(httplib::Request const& request, httplib::ContentReader const& reader) const {
    bool const chunked = request.has_header("Transfer-Encoding");
    if (!chunked && !request.has_header("Content-Length"))
      throw ApiError(411, "invalid_request_error", "the length of the body is not given");
    ApiError const too_long(413, "invalid_request_error",
                            fmt::format("the body has more than {} bytes", options.body_bytes));
    if (!chunked && request.get_header_value<std::uint64_t>("Content-Length") > options.body_bytes) throw too_long;
    std::string body;
    bool fits = true;
    // cpp-httplib does not bound bodies in chunks.
    bool const complete = reader([&](char const* data, std::size_t size) {
      fits = body.size() + size <= options.body_bytes;
      if (fits) body.append(data, size);
      return fits;
    });
    if (!fits) throw too_long;
    if (!complete) throw ApiError::bad_request("the body is not complete");
    Listener::connection().unread = false;
    return body;
  }

  void complete(httplib::Request const& request, httplib::Response& response, httplib::ContentReader const& reader,
                Request (*parse)(Json const&, RequestLimits const&), Log& log) {
    log.holder = holder_of(request);
    // A page of another site can send texts of other types without being asked first whether it may.
    if (!request.get_header_value("Content-Type").starts_with(json_type))
      throw ApiError(415, "invalid_request_error", "the content type must be application/json");
    ServedModel const& model = service.model();
    Request parsed = parse(parse_body(read_body(request, reader)), {});
    require_model(parsed.model);
    parsed.model = options.model_name;
    Tenant const tenant = tenants.of(log.holder, parsed.user);
    auto const completion =
        std::make_shared<Completion>(std::move(parsed), model, tenant, log.arrived + options.deadline);
    service.submit(completion->take_work());

    Connection const& peer = Listener::connection();
    if (!completion->request().stream) {
      while (!completion->finished()) static_cast<void>(next_events(*completion, peer));
      if (completion->failure()) throw ApiError(*completion->failure());
      response.status = 200;
      response.set_content(completion->body(), json_type);
      finish(log, 200, completion.get());
      return;
    }
    // What fails before anything is sent has its own status.
    std::string first;
    while (first.empty() && !completion->finished()) first = next_events(*completion, peer);
    if (completion->failure() && completion->finished()) throw ApiError(*completion->failure());
    stream(response, completion, completion->stream_begin() + first, log);
    log.written = true;
  }

  // What a stream sends next. Throws if the client has left.
  static std::string next_events(Completion& completion, Connection const& peer) {
    std::string text;
    auto event = completion.channel().take(glance);
    if (peer.left()) {
      completion.channel().close();
      throw ApiError(499, "invalid_request_error", "the client has left");
    }
    // The engine ends answers between passes; if one does not end, clients must not wait for it.
    if (!event && Clock::now() > completion.deadline() + 5s) {
      completion.channel().close();
      throw ApiError(504, "server_error", "the engine does not answer");
    }
    for (; event && !completion.finished(); event = completion.channel().take(0ms)) {
      text += completion.take(*std::move(event));
      if (completion.finished()) break;
    }
    return text;
  }

  void stream(httplib::Response& response, std::shared_ptr<Completion> const& completion, std::string text, Log log) {
    response.set_header("X-Accel-Buffering", "no");
    response.status = 200;
    ++streams;
    auto const sent_all = std::make_shared<bool>(false);
    auto const send = [completion, sent_all, text = std::move(text)](std::size_t, httplib::DataSink& sink) mutable {
      for (auto event = completion->channel().take(text.empty() && !completion->finished() ? glance : 0ms); event;
           event = completion->channel().take(0ms)) {
        text += completion->take(*std::move(event));
        if (completion->finished()) break;
      }
      bool const ends = completion->finished();
      if (ends) text += completion->stream_end();
      if (text.empty()) return sink.is_writable() && Clock::now() < completion->deadline() + 5s;
      std::string const sent = std::exchange(text, {});
      if (!sink.write(sent.data(), sent.size())) return false;
      // Clients may leave before the empty chunk that ends the response.
      *sent_all = ends;
      if (ends) sink.done();
      return true;
    };
    auto const end = [this, completion, sent_all, log = std::move(log)](bool) mutable {
      completion->channel().close();
      int const status = !*sent_all ? 499 : completion->failure() ? completion->failure()->status() : 200;
      finish(log, status, completion.get());
      --streams;
    };
    // cpp-httplib compresses, and so holds back, streams of any other type.
    response.set_chunked_content_provider("text/event-stream", send, end);
  }

  void count(Log const& log, int status) {
    service.metrics().update([&](Counters& counters) { ++counters.requests[{log.endpoint, status}]; });
  }

  void finish(Log& log, int status, Completion const* completion) {
    log.written = true;
    count(log, status);
    double const seconds = std::chrono::duration<double>(Clock::now() - log.arrived).count();
    std::string line = fmt::format("{:%FT%TZ} {} {} {:.3f} s, {}", fmt::gmtime(std::time(nullptr)), log.endpoint,
                                   status, seconds, log.holder);
    if (completion != nullptr) {
      Json const usage = completion->usage();
      Json const& drafts = usage["speculation"];
      line += fmt::format(", {} + {} tokens, {} cached, {} passes, {} of {} drafted accepted",
                          usage["prompt_tokens"].get<std::size_t>(), usage["completion_tokens"].get<std::size_t>(),
                          usage["prompt_tokens_details"]["cached_tokens"].get<std::size_t>(),
                          drafts["passes"].get<std::size_t>(), drafts["accepted_tokens"].get<std::size_t>(),
                          drafts["draft_tokens"].get<std::size_t>());
    }
    line += '\n';
    std::fputs(line.c_str(), stderr);
  }

  HttpOptions options;
  Service& service;
  ApiKeys const& keys;
  Tenants& tenants;
  Listener listener;
  std::map<std::string, std::string> methods;  // by path
  std::int64_t started = std::time(nullptr);
  std::atomic<std::size_t> streams = 0;
  std::atomic<bool> ended = false;
};

Http::Http(HttpOptions options, Service& service, ApiKeys const& keys, Tenants& tenants)
    : server_(std::make_unique<Server>(std::move(options), service, keys, tenants)) {}

Http::~Http() = default;

void Http::run(int listening) {
  server_->listener.adopt(listening);
  server_->listener.listen_after_bind();
  server_->ended = true;
}

void Http::stop() {
  // What cpp-httplib still streams when it stops is cut off.
  for (auto const begin = Clock::now(); server_->streams > 0 && Clock::now() - begin < 10s;)
    std::this_thread::sleep_for(glance);
  server_->listener.stopping = true;
  // What is stopped before it runs would run on.
  while (!server_->listener.is_running() && !server_->ended) std::this_thread::sleep_for(1ms);
  server_->listener.stop();
}

}  // namespace copyspec_server
