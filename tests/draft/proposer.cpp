// SPDX-License-Identifier: MIT
#include <copyspec/draft/proposer.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <span>

using copyspec::Draft;
using copyspec::DraftProposer;
using copyspec::NoProposer;
using copyspec::Token;

namespace {

struct Complete {
  static Draft propose(std::span<Token const>, std::span<Token>) { return {}; }
  static void truncate(std::size_t) {}
};
struct Reserving : Complete {
  static void reserve(std::size_t) {}
};

struct Observing : Complete {
  static void on_pass(copyspec::PassReport const&) {}
};

struct NoPropose : Complete {
  void propose() = delete;
};
struct NoTruncate : Complete {
  void truncate() = delete;
};
struct CountingPropose : Complete {
  static std::size_t propose(std::span<Token const>, std::span<Token>) { return 0; }
};
struct OverwritingPropose : Complete {
  static Draft propose(std::span<Token>, std::span<Token>) { return {}; }
};

}  // namespace

static_assert(DraftProposer<Complete>);
static_assert(DraftProposer<Reserving>);
static_assert(DraftProposer<Observing>);
static_assert(DraftProposer<NoProposer>);
static_assert(!DraftProposer<int>);
static_assert(!DraftProposer<NoPropose>);
static_assert(!DraftProposer<NoTruncate>);
static_assert(!DraftProposer<CountingPropose>);
static_assert(!DraftProposer<OverwritingPropose>);

TEST_CASE("no draft is a draft of length zero") {
  constexpr Draft draft;
  static_assert(draft.length == 0);
  CHECK(Draft{}.length == 0);
}

TEST_CASE("proposing nothing needs no state, no constness and no space") {
  constexpr Token context[] = {1, 1, 1, 1};
  static_assert(NoProposer::propose(context, {}).length == 0);
  Token space[] = {7, 7};
  NoProposer proposer;
  CHECK(proposer.propose(context, space).length == 0);
  proposer.truncate(2);
  CHECK(proposer.propose(context, space).length == 0);
  CHECK(space[0] == 7);
  CHECK(space[1] == 7);
}
