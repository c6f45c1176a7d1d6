// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "api_error.hpp"

namespace copyspec_server {

/// The rules of a grammar in GBNF, as far as is needed to see what llama.cpp cannot bear: rules that come back to
/// themselves before a character is read, of which it notices only some; rules whose search for those takes
/// exponential time; repetitions of at least more than at most; a NUL. What is no GBNF is left to llama.cpp.
/// Call after the depth of brackets was bounded.
class GrammarShape {
 public:
  static void require_readable(std::string_view text) { GrammarShape(text).check(); }

 private:
  static constexpr std::size_t terminal = ~std::size_t{0};
  static constexpr std::uint64_t most_paths = 10000000;
  using Sequence = std::vector<std::size_t>;  // rules and terminals
  struct Open {                               // a rule or a group that is being read
    std::size_t rule;
    std::size_t size_before = 0;
  };

  explicit GrammarShape(std::string_view text) : text_(text) { read(); }

  [[noreturn]] static void refuse(char const* why) { throw ApiError::bad_request(why); }

  std::size_t add_rule() {
    rules_.emplace_back(1);
    return rules_.size() - 1;
  }
  std::size_t named(std::string_view name) {
    auto const [found, is_new] = names_.try_emplace(std::string(name), rules_.size());
    if (is_new) rules_.emplace_back();
    return found->second;
  }
  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  }
  [[nodiscard]] bool defines(std::size_t at) const {
    while (at < text_.size() && (text_[at] == ' ' || text_[at] == '\t')) ++at;
    return text_.substr(at).starts_with("::=");
  }
  std::size_t skip_quoted(std::size_t at, char end) const {
    for (; at < text_.size() && text_[at] != end; ++at)
      if (text_[at] == '\\') ++at;
    return at;
  }

  void read() {
    if (text_.find('\0') != std::string_view::npos) refuse("the grammar has a NUL");
    std::vector<Open> open;
    auto const add = [&](std::size_t item) {
      if (!open.empty()) rules_[open.back().rule].back().push_back(item);
    };
    for (std::size_t i = 0; i < text_.size(); ++i) {
      char const c = text_[i];
      if (c == '#') {
        i = std::min(text_.find('\n', i), text_.size());
      } else if (c == '"' || c == '[' || c == '<') {
        std::size_t const end = c == '<' ? text_.find('>', i) : skip_quoted(i + 1, c == '"' ? '"' : ']');
        if (end >= text_.size()) return;
        if (end > i + 1)
          add(terminal);
        else
          add(empty());
        i = end;
      } else if (c == '.') {
        add(terminal);
      } else if (c == '(') {
        std::size_t const group = add_rule();
        add(group);
        open.push_back({group});
      } else if (c == ')') {
        if (open.size() > 1) open.pop_back();
      } else if (c == '|') {
        if (!open.empty()) rules_[open.back().rule].emplace_back();
      } else if (c == '*' || c == '+' || c == '?' || c == '{') {
        if (!open.empty()) repeat(open.back().rule, c, i);
      } else if (is_word(c)) {
        std::size_t const begin = i;
        while (i + 1 < text_.size() && is_word(text_[i + 1])) ++i;
        std::size_t const rule = named(text_.substr(begin, i + 1 - begin));
        if (defines(i + 1)) {
          rules_[rule].assign(1, {});
          open.assign(1, {rule});
        } else {
          add(rule);
        }
      }
    }
  }

  std::size_t empty() { return add_rule(); }  // a rule of one empty sequence

  // The last item of the newest sequence becomes a rule: item, then itself or nothing.
  void repeat(std::size_t rule, char how, std::size_t& at) {
    std::size_t least = how == '+' ? 1 : 0, most = how == '?' ? 1 : terminal;
    if (how == '{') {
      std::size_t const end = text_.find('}', at);
      if (end == std::string_view::npos) return;
      std::string_view const inside = text_.substr(at + 1, end - at - 1);
      auto const number = [](std::string_view digits, std::size_t& value) {
        digits.remove_prefix(std::min(digits.find_first_not_of(" \t\r\n"), digits.size()));
        std::from_chars(digits.data(), digits.data() + digits.size(), value);
      };
      number(inside, least);
      if (std::size_t const comma = inside.find(','); comma != std::string_view::npos)
        number(inside.substr(comma + 1), most);
      else
        most = least;
      if (least > most) refuse("the grammar, or the schema, has a repetition of at least more than at most");
      at = end;
    }
    if (rules_[rule].back().empty()) return;
    std::size_t const item = rules_[rule].back().back();
    std::size_t const repeated = add_rule();
    rules_[repeated].back().push_back(item);
    // A bounded repetition is written out.
    if (most == terminal) rules_[repeated].back().push_back(repeated);
    rules_[repeated].emplace_back();
    if (least > 0)
      rules_[rule].back().push_back(repeated);
    else
      rules_[rule].back().back() = repeated;
  }

  void check() {
    // Which rules may be empty: until nothing changes, in order of dependence at most a few rounds.
    std::vector<bool> nullable(rules_.size());
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t r = rules_.size(); r-- > 0;) {
        if (nullable[r]) continue;
        for (Sequence const& sequence : rules_[r])
          if (std::ranges::all_of(sequence, [&](std::size_t item) { return item != terminal && nullable[item]; }))
            nullable[r] = changed = true;
      }
    }
    // Depth first, without recursion: 1 is under way, 2 done.
    std::vector<std::vector<std::size_t>> left(rules_.size());
    for (std::size_t r = 0; r < rules_.size(); ++r)
      for (Sequence const& sequence : rules_[r])
        for (std::size_t const item : sequence) {
          if (item == terminal) break;
          left[r].push_back(item);
          if (!nullable[item]) break;
        }
    std::vector<std::uint8_t> state(rules_.size());
    std::vector<std::uint64_t> paths(rules_.size(), 1);
    std::vector<std::pair<std::size_t, std::size_t>> stack;
    std::uint64_t all = 0;
    for (std::size_t start = 0; start < rules_.size(); ++start) {
      if (state[start] == 0) stack.emplace_back(start, 0), state[start] = 1;
      while (!stack.empty()) {
        auto& [rule, next] = stack.back();
        if (next == left[rule].size()) {
          for (std::size_t const to : left[rule]) paths[rule] = std::min(paths[rule] + paths[to], most_paths + 1);
          state[rule] = 2;
          stack.pop_back();
          continue;
        }
        std::size_t const to = left[rule][next++];
        if (state[to] == 1) refuse("the grammar has a rule that begins with itself");
        if (state[to] == 0) state[to] = 1, stack.emplace_back(to, 0);
        if (stack.size() > 8192) refuse("the grammar has too many rules that begin with each other");
      }
      all += paths[start];
    }
    if (all > most_paths) refuse("the grammar has too many rules that begin with each other");
  }

  std::string_view text_;
  std::vector<std::vector<Sequence>> rules_;
  std::map<std::string, std::size_t> names_;
};

}  // namespace copyspec_server
