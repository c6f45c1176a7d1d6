// SPDX-License-Identifier: MIT
#include <copyspec/draft/detail/proposer_group.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

using copyspec::Draft;
using copyspec::PassReport;
using copyspec::Token;
using copyspec::detail::ProposerGroup;

namespace {

using Tokens = std::vector<Token>;

// Takes nothing that is optional.
struct Plain {
  std::string calls;
  static Draft propose(std::span<Token const>, std::span<Token>) { return {}; }
  void truncate(std::size_t length) { calls += "truncate " + std::to_string(length) + "; "; }
};

// Takes all of it.
struct Full : Plain {
  void reserve(std::size_t length) { calls += "reserve " + std::to_string(length) + "; "; }
  void on_pass(PassReport const& report) { calls += "pass " + std::to_string(report.rows) + "; "; }
  void set_references(std::span<Tokens const> texts) { calls += "refer " + std::to_string(texts.size()) + "; "; }
  void on_turn_end(std::span<Token const> context, std::size_t answer) {
    calls += "end " + std::to_string(context.size()) + " " + std::to_string(answer) + "; ";
  }
  void on_turn_begin(std::span<Token const> context, std::size_t prompt) {
    calls += "begin " + std::to_string(context.size()) + " " + std::to_string(prompt) + "; ";
  }
  void on_draft_chosen(std::span<Token const> context, std::size_t length) {
    calls += "chosen " + std::to_string(context.size()) + " " + std::to_string(length) + "; ";
  }
};

}  // namespace

TEST_CASE("a group passes each call on to those that take it") {
  ProposerGroup<Full, Plain, Full> group(Full{}, Plain{}, Full{});
  group.reserve(9);
  group.set_references(std::vector<Tokens>(2));
  group.on_turn_begin(Tokens{1, 2}, 0);
  group.on_draft_chosen(Tokens{1, 2}, 4);
  group.on_pass({.rows = 3});
  group.on_turn_end(Tokens{1, 2, 3}, 1);
  group.truncate(2);
  std::string const all = "reserve 9; refer 2; begin 2 0; chosen 2 4; pass 3; end 3 1; truncate 2; ";
  CHECK(group.get<0>().calls == all);
  CHECK(group.get<1>().calls == "truncate 2; ");
  CHECK(group.get<2>().calls == all);
}

TEST_CASE("copies of a group are apart") {
  ProposerGroup<Plain> one{Plain{}};
  ProposerGroup<Plain> other = one;
  one.truncate(1);
  CHECK(one.get<0>().calls == "truncate 1; ");
  CHECK(other.get<0>().calls.empty());
}
