// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "answer.hpp"
#include "api_error.hpp"
#include "copyspec/draft/draft_scope.hpp"
#include "json.hpp"
#include "request.hpp"
#include "service.hpp"
#include "work.hpp"

namespace copyspec_server {

/// Who asks: whose cache is shared, and whose answers may be copied from.
struct Tenant {
  std::string name = {};
  std::shared_ptr<copyspec::DraftScope> scope = nullptr;
};

/// One request from its parsing to the last byte of its response, streamed or whole. Threads: one call at a time.
class Completion {
 public:
  /// Makes prompts and options of the request. Throws `ApiError` if it cannot be served. The model is borrowed.
  Completion(Request request, ServedModel const& model, Tenant const& tenant, Clock::time_point deadline);

  /// What to submit, once. Its channel is `channel()`.
  [[nodiscard]] std::vector<Work> take_work() { return std::move(work_); }
  [[nodiscard]] Channel& channel() const noexcept { return *channel_; }
  [[nodiscard]] Request const& request() const noexcept { return request_; }

  [[nodiscard]] Clock::time_point deadline() const noexcept { return deadline_; }

  /// Takes an event in. Returns what a stream sends for it.
  std::string take(Event event);
  /// What a stream sends before and after all events.
  [[nodiscard]] std::string stream_begin() const;
  [[nodiscard]] std::string stream_end() const;
  /// The whole response of a request that is not streamed.
  [[nodiscard]] std::string body() const;

  [[nodiscard]] bool finished() const noexcept { return unfinished_ == 0; }
  /// Why an answer failed, if one did. A stream has said it.
  [[nodiscard]] std::optional<ApiError> const& failure() const noexcept { return failure_; }
  [[nodiscard]] Json usage() const;

 private:
  void require_servable() const;
  void make_work(Tenant const& tenant, Clock::time_point deadline);
  [[nodiscard]] copyspec::GenerateOptions options(std::vector<std::vector<copyspec::Token>> references) const;
  [[nodiscard]] copyspec::RowHooksFactory hooks() const;
  [[nodiscard]] Json envelope(char const* object) const;
  [[nodiscard]] std::string event(Json choices) const;

  Request request_;
  ServedModel const* model_;
  std::string id_;
  std::int64_t created_;
  Clock::time_point deadline_;
  std::shared_ptr<Channel> channel_ = std::make_shared<Channel>();
  std::vector<Work> work_;
  std::vector<copyspec::Token> prediction_;
  std::size_t prompt_tokens_ = 0;
  std::size_t accepted_prediction_ = 0;  // in the answers that have ended
  std::vector<Answer> answers_;
  std::size_t unfinished_;
  std::optional<ApiError> failure_;
};

}  // namespace copyspec_server
