// SPDX-License-Identifier: MIT
#include "examples/server/hook_time.hpp"

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <ctime>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

#include "copyspec/core/token.hpp"
#include "copyspec/verify/sampling_options.hpp"
#include "support/error_of.hpp"

using copyspec::RowHooks;
using copyspec::Token;
using copyspec_server::within_time;
using copyspec_test::error_of;
using namespace std::chrono_literals;

namespace {

// Keeps the processor busy for so long.
void work(std::chrono::milliseconds time) {
  std::clock_t const end = std::clock() + static_cast<std::clock_t>(CLOCKS_PER_SEC * time.count() / 1000);
  while (std::clock() < end) {
  }
}

RowHooks hooks(std::chrono::milliseconds busy, std::chrono::milliseconds asleep) {
  auto const take = [=] {
    work(busy);
    std::this_thread::sleep_for(asleep);
  };
  return within_time(
      [take](std::size_t answer) -> RowHooks {
        return {.edit = nullptr,
                .allows =
                    [=](std::span<Token const>, Token token) {
                      take();
                      return token == static_cast<Token>(answer);
                    },
                .mask =
                    [=](std::span<Token const>, std::span<float> row) {
                      take();
                      row[0] = 1;
                    },
                .allowed_draft =
                    [=](std::span<Token const>, std::span<Token const> draft) {
                      take();
                      return draft.size();
                    }};
      },
      100ms)(7);
}

}  // namespace

TEST_CASE("hooks that take little of the processor do what they did, however long they wait") {
  RowHooks const quick = hooks(0ms, 150ms);
  CHECK(quick.edit == nullptr);
  CHECK(quick.allows({}, 7));
  CHECK_FALSE(quick.allows({}, 8));
  std::array<float, 1> row{};
  quick.mask({}, row);
  CHECK(row[0] == 1);
  std::vector<Token> const draft(3);
  CHECK(quick.allowed_draft({}, draft) == 3);
}

TEST_CASE("a call that takes more of the processor throws") {
  RowHooks const slow = hooks(150ms, 0ms);
  std::array<float, 1> row{};
  CHECK_FALSE(error_of<std::runtime_error>([&] { static_cast<void>(slow.allows({}, 7)); }).empty());
  CHECK_FALSE(error_of<std::runtime_error>([&] { slow.mask({}, row); }).empty());
  CHECK_FALSE(error_of<std::runtime_error>([&] { static_cast<void>(slow.allowed_draft({}, {})); }).empty());
}
