// SPDX-License-Identifier: MIT
// Many threads read two histories while others append to them, remove and clear: no token may be seen in the scope, or
// at the position, where it was not said.
//
//     copyspec-stress-history [operations]

#include <algorithm>
#include <atomic>
#include <copyspec/mix/detail/context_hashes.hpp>
#include <copyspec/mix/histories.hpp>
#include <copyspec/mix/history.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using copyspec::Histories;
using copyspec::History;
using copyspec::HistoryEntryId;
using copyspec::Token;
using copyspec::detail::ContextHashes;
using copyspec::detail::SuccessorCounts;

constexpr std::size_t scopes = 2;
constexpr std::size_t reading_threads = 8;
constexpr std::size_t longest_request = 300;
constexpr std::size_t vocabulary = 97;
constexpr std::size_t range = 1000;  // of the tokens of a scope, which begin at a multiple

std::atomic<std::size_t> operations_left;
std::atomic<std::size_t> tokens_read = 0;
std::atomic<std::size_t> wrong = 0;

// What stands at a position is known, if anything does.
Token said(std::size_t scope, std::size_t position) {
  return static_cast<Token>(range * (scope + 1) + (position * position / 7) % vocabulary);
}

bool take_operation() {
  std::size_t left = operations_left;
  while (left > 0 && !operations_left.compare_exchange_weak(left, left - 1)) {
  }
  return left > 0;
}

// One writer a scope, which so knows the position of its next token.
void write(History& history, std::size_t scope) {
  std::mt19937_64 random(scope);
  std::vector<HistoryEntryId> ids;
  std::vector<Token> tokens;
  while (take_operation()) {
    std::size_t const action = random() % 64;
    if (action == 0) {
      history.clear();
    } else if (action < 8 && !ids.empty()) {
      history.remove(ids[ids.size() - 1 - random() % std::min<std::size_t>(ids.size(), 9)]);
    } else {
      tokens.resize(random() % longest_request);
      for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = said(scope, history.end() + i);
      ids.push_back(history.append(tokens));
    }
  }
}

void check(Token token, std::size_t scope, std::size_t position) {
  if (token == -1) return;
  ++tokens_read;
  if (token != said(scope, position)) ++wrong;
}

void check(SuccessorCounts const& successors, std::size_t scope) {
  for (std::size_t i = 0; i < successors.size(); ++i) {
    auto const token = static_cast<std::size_t>(successors.token(i));
    if (token / range != scope + 1 || token % range >= vocabulary || successors.count(i) == 0) ++wrong;
    ++tokens_read;
  }
}

void read(std::vector<std::shared_ptr<History>> const& histories, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  while (take_operation()) {
    std::size_t const scope = random() % scopes;
    History const& history = *histories[scope];
    std::size_t const end = history.end();
    std::size_t const around = end - std::min<std::size_t>(end, random() % (2 * history.capacity()));
    for (std::size_t i = 0; i < 16; ++i) check(history.token(around + i), scope, around + i);
    ContextHashes const contexts(3, [&](std::size_t i) { return said(scope, around + i); });
    for (std::uint64_t const hash : {contexts.values[0], contexts.values[1], contexts.three})
      check(history.find(hash), scope);
    std::size_t before = ~std::size_t{0};
    for (std::size_t at = history.newest(contexts.three); at != 0; at = history.previous(at)) {
      if (at >= before) ++wrong;
      before = at;
      for (std::size_t back = 0; back < 32 && back <= at; ++back) check(history.token(at - back), scope, at - back);
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  operations_left = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 1'000'000;
  Histories owner(scopes * 200'000, 200'000);
  std::vector<std::shared_ptr<History>> histories;
  for (std::size_t scope = 0; scope < scopes; ++scope) histories.push_back(owner.scope(std::to_string(scope)));
  std::vector<std::thread> threads;
  for (std::size_t scope = 0; scope < scopes; ++scope)
    threads.emplace_back([&, scope] { write(*histories[scope], scope); });
  for (std::size_t reader = 0; reader < reading_threads; ++reader)
    threads.emplace_back([&, reader] { read(histories, reader); });
  for (std::thread& thread : threads) thread.join();
  std::uint64_t appended = 0;
  std::uint64_t evicted = 0;
  for (auto const& history : histories) {
    appended += history->counters().requests_appended;
    evicted += history->counters().requests_evicted;
  }
  std::printf("%zu tokens read, %zu wrong; %llu requests appended, %llu evicted\n", tokens_read.load(), wrong.load(),
              static_cast<unsigned long long>(appended), static_cast<unsigned long long>(evicted));
  return wrong == 0 && tokens_read > 0 && evicted > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
