// SPDX-License-Identifier: MIT
//
// Shows text, and ends turns at strings: three requests share each pass, each with stop strings of its own. A string
// may begin in one token and end in another, and a token may end in a part of a character.

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <copyspec/copyspec.hpp>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using copyspec::SequenceId;
using copyspec::Token;

// Your tokenizer: the text of each token. Here the bytes of some characters lie in two tokens.
constexpr std::array<std::string_view, 16> pieces = {
    "Q", ": How", " much", " is",          " the caf\xC3", "\xA9", " cr\xC3\xA8", "me?\n",
    "A", ":",     " 2",    ".50 \xE2\x82", "\xAC.\n",      "\n",   "Thanks",      ".\n\n"};

std::string_view token_text(Token token) {
  return pieces[static_cast<std::size_t>(token)];
}

// Your engine. This one says all tokens in turn, over and over.
struct Engine {
  std::size_t vocabulary_size() const { return pieces.size(); }
  std::size_t max_tokens() const { return 32; }
  std::size_t context_limit() const { return 200; }

  copyspec::LogitsView<float> forward(std::span<copyspec::Segment const> batch) {
    std::size_t rows = 0;
    for (copyspec::Segment const& segment : batch) {
      held[segment.sequence] += segment.tokens.size();
      for (Token const token : segment.tokens.last(segment.rows)) {
        logits.resize(++rows * pieces.size());
        std::span const row = std::span(logits).last(pieces.size());
        std::ranges::fill(row, 0.0F);
        row[static_cast<std::size_t>(token + 1) % pieces.size()] = 1.0F;
      }
    }
    return {logits.data(), rows, pieces.size()};
  }
  std::size_t truncate(SequenceId sequence, std::size_t length) {
    return held[sequence] = std::min(held[sequence], length);
  }

  std::map<SequenceId, std::size_t> held = {};
  std::vector<float> logits = {};
};

struct Request {
  std::vector<Token> prompt;
  std::vector<std::string> stop;
  std::string shown = {};
};

void answer(std::vector<Request>& requests) {
  Engine engine;
  copyspec::Composer composer(engine, copyspec::MixingProposer(), copyspec::GreedyVerifier());
  copyspec::TextStream text(token_text);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    SequenceId const id{static_cast<int>(i)};
    text.begin(id, {.stop = requests[i].stop});
    composer.begin(id, requests[i].prompt, {.max_new_tokens = 48});
  }
  auto const on_text = [&](copyspec::OutputDelta const& delta, std::string_view bytes) {
    requests[static_cast<std::size_t>(delta.sequence)].shown += bytes;  // stream these bytes
    if (delta.status != copyspec::SequenceStatus::running) text.remove(delta.sequence);
  };
  composer.run(text.on_text(on_text), text);
}

// The answer of plain decoding as a whole, up to the stop string that is complete first.
std::string expected(Request const& request) {
  Engine engine;
  copyspec::Composer composer(engine, copyspec::NoProposer(), copyspec::GreedyVerifier());
  std::string text;
  for (Token const token : composer.generate(request.prompt, {.max_new_tokens = 48})) {
    text += token_text(token);
    std::size_t end = text.npos;
    for (std::string const& stop : request.stop) end = std::min(end, text.find(stop));
    if (end != text.npos) return text.substr(0, end);
  }
  return text;
}

int main() {
  std::vector<Request> requests = {
      {{8}, {"###", "\n\nThanks"}}, {{0, 1}, {"caf\xC3\xA9 cr\xC3\xA8me", "\nA:"}}, {{14, 15}, {}}};
  answer(requests);
  bool identical = true;
  for (Request const& request : requests) {
    fmt::print("---\n{}\n", request.shown);
    identical = identical && request.shown == expected(request);
  }
  fmt::print("---\nas plain decoding: {}\n", identical);
  return identical ? 0 : 1;
}
