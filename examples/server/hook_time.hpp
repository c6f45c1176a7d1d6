// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <ctime>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "copyspec/core/token.hpp"
#include "copyspec/verify/sampling_options.hpp"

namespace copyspec_server {

/// The hooks of `hooks`, each of whose calls ends its answer with an error if it takes the engine's thread more than
/// `most`. A grammar may be such that each token takes longer than the one before, and all other answers wait for it.
[[nodiscard]] inline copyspec::RowHooksFactory within_time(copyspec::RowHooksFactory hooks,
                                                           std::chrono::milliseconds most) {
  // Of the thread, so that what else the machine does counts for nothing.
  auto const now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  auto const timed = [now, most](auto const& call) {
    auto const begin = now();
    auto const check = [&] {
      if (now() - begin > most) throw std::runtime_error("the grammar of this request takes too long");
    };
    if constexpr (std::is_void_v<decltype(call())>) {
      call();
      check();
    } else {
      auto const result = call();
      check();
      return result;
    }
  };
  return [hooks = std::move(hooks), timed](std::size_t answer) -> copyspec::RowHooks {
    copyspec::RowHooks const inner = hooks(answer);
    using Tokens = std::span<copyspec::Token const>;
    return {.edit = inner.edit,
            .allows = [=](Tokens before,
                          copyspec::Token token) { return timed([&] { return inner.allows(before, token); }); },
            .mask = [=](Tokens before, std::span<float> row) { timed([&] { inner.mask(before, row); }); },
            .allowed_draft = [=](Tokens context,
                                 Tokens draft) { return timed([&] { return inner.allowed_draft(context, draft); }); }};
  };
}

}  // namespace copyspec_server
