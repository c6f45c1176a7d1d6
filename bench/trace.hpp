// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <istream>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "copyspec/core/assert.hpp"
#include "copyspec/core/error.hpp"
#include "copyspec/core/token.hpp"

namespace copyspec::bench {

/// Numbers tokens 1, 2, 3... in the order in which they are first met.
///
/// A replay only asks whether two tokens are equal, and a bijection leaves that as it was; but a row of logits need
/// then be no longer than the tokens that occur, instead of a whole vocabulary. Number 0 stands for no token.
class DenseNumbering {
 public:
  /// The number of `recorded`, a new one if it was not met before.
  [[nodiscard]] Token number(Token recorded) {
    auto const [found, is_new] = numbers_.try_emplace(recorded, static_cast<Token>(size()));
    if (is_new) recorded_.push_back(recorded);
    return found->second;
  }

  /// The token whose number is `number`, which is not 0.
  [[nodiscard]] Token recorded(Token number) const {
    COPYSPEC_ASSERT(number > 0 && static_cast<std::size_t>(number) < size(), "a number that was given");
    return recorded_[static_cast<std::size_t>(number) - 1];
  }

  /// Numbers in use: 0 and one for each token.
  [[nodiscard]] std::size_t size() const noexcept { return recorded_.size() + 1; }

 private:
  std::unordered_map<Token, Token> numbers_;
  std::vector<Token> recorded_;
};

/// One turn, as positions in the tokens of its conversation: the prompt ends where the answer begins.
struct Turn {
  std::size_t prompt = 0;
  std::size_t answer = 0;
  std::size_t end = 0;
};

/// A recorded conversation: prompts and answers of all turns one behind the other, as a model's context holds them.
struct Conversation {
  std::string id;
  std::string category;
  std::vector<Token> tokens;
  std::vector<Turn> turns;
  std::vector<std::vector<Token>> references = {};  ///< Texts that the answers may be copied from besides.

  [[nodiscard]] std::span<Token const> prompt(Turn const& turn) const {
    return std::span(tokens).subspan(turn.prompt, turn.answer - turn.prompt);
  }
  [[nodiscard]] std::span<Token const> answer(Turn const& turn) const {
    return std::span(tokens).subspan(turn.answer, turn.end - turn.answer);
  }
};

/// Recorded greedy decodes of one model, their tokens numbered densely.
struct Trace {
  std::string name;
  std::vector<Conversation> conversations;
  DenseNumbering numbering;
};

/// Reads the conversations of a trace: JSON Lines, one conversation a line,
///
///     {"id": "81", "category": "writing", "turns": [{"prompt": [token, ...], "answer": [token, ...]}, ...]}
///
/// Only the first prompt must have a token. Other keys are ignored.
class TraceReader {
 public:
  /// `name` says in messages what `lines` are.
  TraceReader(std::istream& lines, std::string name) : lines_(lines), name_(std::move(name)) {}

  /// Throws `Error`, which names the line, if what is read is no trace.
  [[nodiscard]] Trace read() {
    Trace trace;
    for (std::string line; std::getline(lines_, line);) {
      ++line_;
      trace.conversations.push_back(conversation(parse(line), trace.numbering));
    }
    // A directory opens like a file, and only reading it fails.
    if (lines_.bad()) raise_error(ErrorCode::file, fmt::format("{}: cannot be read", name_));
    if (trace.conversations.empty()) {
      line_ = 1;
      fail("there is no conversation in this file");
    }
    return trace;
  }

  /// Reads references for the conversations of `trace`: JSON Lines, one conversation a line,
  ///
  ///     {"id": "81", "references": [[token, ...], ...]}
  ///
  /// Throws `Error`, which names the line, if what is read is not that, or `trace` has no such conversation.
  void read_references(Trace& trace) {
    for (std::string text; std::getline(lines_, text);) {
      ++line_;
      Json const line = parse(text);
      auto const id = member(line, "the line", "id", Json::value_t::string).get<std::string>();
      auto const found = std::ranges::find(trace.conversations, id, &Conversation::id);
      if (found == trace.conversations.end()) fail(fmt::format("{} has no conversation \"{}\"", trace.name, id));
      for (Json const& reference : member(line, "the line", "references", Json::value_t::array)) {
        std::string const where = fmt::format("reference {}", found->references.size() + 1);
        if (!reference.is_array()) fail(fmt::format("{} is not an array but {}", where, reference.type_name()));
        append_tokens(reference, where, "", trace.numbering, found->references.emplace_back());
      }
    }
    if (lines_.bad()) raise_error(ErrorCode::file, fmt::format("{}: cannot be read", name_));
  }

 private:
  using Json = nlohmann::json;

  [[noreturn]] void fail(std::string const& message) const {
    raise_error(ErrorCode::file, fmt::format("{}:{}: {}", name_, line_, message));
  }

  [[nodiscard]] Json parse(std::string const& line) const {
    try {
      return Json::parse(line);
    } catch (Json::parse_error const& error) {
      // Its own text counts lines from here, which misleads.
      fail(fmt::format("not JSON from byte {} on", error.byte));
    }
  }

  [[nodiscard]] Conversation conversation(Json const& line, DenseNumbering& numbering) const {
    Conversation result;
    result.id = member(line, "the line", "id", Json::value_t::string).get<std::string>();
    result.category = member(line, "the line", "category", Json::value_t::string).get<std::string>();
    Json const& turns = member(line, "the line", "turns", Json::value_t::array);
    if (turns.empty()) fail("\"turns\" is empty");
    for (Json const& turn : turns) {
      std::string const where = fmt::format("turn {}", result.turns.size() + 1);
      Turn added;
      added.prompt = result.tokens.size();
      append(turn, where, "prompt", numbering, result.tokens);
      added.answer = result.tokens.size();
      if (added.answer == 0) fail(fmt::format("{}: \"prompt\" is empty: there is nothing to continue", where));
      append(turn, where, "answer", numbering, result.tokens);
      added.end = result.tokens.size();
      result.turns.push_back(added);
    }
    return result;
  }

  [[nodiscard]] Json const& member(Json const& object, std::string const& where, std::string const& key,
                                   Json::value_t type) const {
    if (!object.is_object()) fail(fmt::format("{} is not a JSON object but {}", where, object.type_name()));
    auto const found = object.find(key);
    if (found == object.end()) fail(fmt::format("{} has no \"{}\"", where, key));
    if (found->type() != type)
      fail(fmt::format("{}: \"{}\" is not of type {} but {}", where, key, Json(type).type_name(), found->type_name()));
    return *found;
  }

  void append(Json const& turn, std::string const& where, std::string const& key, DenseNumbering& numbering,
              std::vector<Token>& tokens) const {
    append_tokens(member(turn, where, key, Json::value_t::array), where, fmt::format(" of \"{}\"", key), numbering,
                  tokens);
  }

  void append_tokens(Json const& recorded, std::string const& where, std::string const& of, DenseNumbering& numbering,
                     std::vector<Token>& tokens) const {
    for (std::size_t i = 0; i < recorded.size(); ++i) {
      Json const& token = recorded[i];
      if (!token.is_number_unsigned() || token.get<std::uint64_t>() > max_token)
        fail(fmt::format("{}: token {}{} is {}, not an integer from 0 to {}", where, i, of,
                         token.is_number() ? token.dump() : token.type_name(), max_token));
      tokens.push_back(numbering.number(token.get<Token>()));
    }
  }

  static constexpr std::uint64_t max_token = std::numeric_limits<Token>::max();

  std::istream& lines_;
  std::string name_;
  std::size_t line_ = 0;
};

/// Reads the trace in `file`, whose name without the extension names the trace. Throws `Error`, which names file and
/// line.
[[nodiscard]] inline Trace read_trace(std::filesystem::path const& file) {
  std::ifstream lines(file);
  if (!lines) raise_error(ErrorCode::file, fmt::format("{}: cannot be opened", file.string()));
  Trace trace = TraceReader(lines, file.string()).read();
  trace.name = file.stem().string();
  return trace;
}

/// Reads the references in `file` for `trace`. Throws `Error`, which names file and line.
inline void read_references(std::filesystem::path const& file, Trace& trace) {
  std::ifstream lines(file);
  if (!lines) raise_error(ErrorCode::file, fmt::format("{}: cannot be opened", file.string()));
  TraceReader(lines, file.string()).read_references(trace);
}

}  // namespace copyspec::bench
