// SPDX-License-Identifier: MIT
#pragma once

#include <llama.h>

#include <cstddef>
#include <exception>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../verify/sampling_options.hpp"
#include "error.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace adapters {

/// llama.cpp's grammar sampler as `RowHooks`: constrains an answer to a grammar in GBNF. As in llama.cpp, the drawn
/// token is checked first; only if it is refused is the row masked and drawn from again.
///
/// With `after`, an answer is free until that text appears in it, and is constrained from the beginning of that text
/// on: so the grammar describes it too. A token that holds the end of the text, and more than the grammar allows, is
/// refused. llama.cpp searches all of the answer for the text with each token, until it appears.
///
/// Borrows the vocabulary, which must outlive this object and its hooks. Throws `LlamaCppError` for a grammar that
/// llama.cpp cannot parse; llama.cpp logs the reason. Threads: one call at a time for the hooks of one turn.
class LlamaCppGrammar {
 public:
  /// Parses `gbnf`, whose start rule is `root`.
  explicit LlamaCppGrammar(llama_vocab const& vocabulary, std::string const& gbnf, std::string const& root = "root",
                           std::string const& after = "")
      : start_(share(make(vocabulary, gbnf, root, after))), waits_(!after.empty()) {
    if (start_ == nullptr || gbnf.empty())
      raise_error<LlamaCppError>(ErrorCode::bad_options, "llama.cpp cannot read this grammar, whose root is " + root);
  }

  /// For `SamplingOptions::hooks`: each turn gets hooks with a grammar state of its own. They share ownership of the
  /// grammar. Cost: O(1) per token of the answer besides llama.cpp's own; per draft, and per turn, a copy of the
  /// grammar's state. Allocates.
  [[nodiscard]] RowHooksFactory hooks() const {
    return [start = start_, waits = waits_](std::size_t begin) -> RowHooks {
      auto const answer = std::make_shared<Answer>(start, begin, waits);
      return {
          .edit = nullptr,
          .allows = [answer](std::span<Token const> before, Token token) { return answer->allows(before, token); },
          .mask = [answer](std::span<Token const> before, std::span<float> row) { answer->mask(before, row); },
          .allowed_draft = [answer](std::span<Token const> context,
                                    std::span<Token const> draft) { return answer->allowed_draft(context, draft); }};
    };
  }

 private:
  struct Free {
    void operator()(llama_sampler* sampler) const noexcept { llama_sampler_free(sampler); }
  };
  using Shared = std::shared_ptr<llama_sampler>;
  using Owned = std::unique_ptr<llama_sampler, Free>;

  static llama_sampler* make(llama_vocab const& vocabulary, std::string const& gbnf, std::string const& root,
                             std::string const& after) {
    if (after.empty()) return llama_sampler_init_grammar(&vocabulary, gbnf.c_str(), root.c_str());
    // A regular expression for the text as it is.
    std::string pattern;
    for (char const byte : after) {
      if (std::string_view(R"(\^$.|?*+()[]{})").find(byte) != std::string_view::npos) pattern += '\\';
      pattern += byte;
    }
    char const* patterns[] = {pattern.c_str()};
    return llama_sampler_init_grammar_lazy_patterns(&vocabulary, gbnf.c_str(), root.c_str(), patterns, 1, nullptr, 0);
  }

  static bool allows(llama_sampler* grammar, Token token) {
    llama_token_data one{.id = token, .logit = 0, .p = 0};
    llama_token_data_array candidates{.data = &one, .size = 1, .selected = -1, .sorted = false};
    llama_sampler_apply(grammar, &candidates);
    return one.logit == 0;
  }

  // The grammar's state after the answer so far.
  class Answer {
   public:
    /// An answer whose first token is at position `begin`.
    Answer(Shared start, std::size_t begin, bool waits)
        : start_(std::move(start)),
          grammar_(llama_sampler_clone(start_.get())),
          begin_(begin),
          read_(begin),
          waits_(waits) {}

    bool allows(std::span<Token const> before, Token token) {
      follow(before);
      if (LlamaCppGrammar::allows(grammar_.get(), token) && (!waits_ || can_accept(token))) return true;
      refused_ = token;
      return false;
    }

    void mask(std::span<Token const> before, std::span<float> row) {
      follow(before);
      candidates_.resize(row.size());
      for (std::size_t i = 0; i < row.size(); ++i)
        candidates_[i] = {.id = static_cast<Token>(i), .logit = row[i], .p = 0};
      llama_token_data_array all{.data = candidates_.data(), .size = row.size(), .selected = -1, .sorted = false};
      llama_sampler_apply(grammar_.get(), &all);
      for (std::size_t i = 0; i < all.size; ++i) row[static_cast<std::size_t>(all.data[i].id)] = all.data[i].logit;
      // While llama.cpp waits, it excludes nothing.
      if (waits_) row[static_cast<std::size_t>(refused_)] = -std::numeric_limits<float>::infinity();
    }

    std::size_t allowed_draft(std::span<Token const> context, std::span<Token const> draft) {
      follow(context);
      Owned const ahead(llama_sampler_clone(grammar_.get()));
      std::size_t allowed = 0;
      try {
        for (; allowed < draft.size() && LlamaCppGrammar::allows(ahead.get(), draft[allowed]); ++allowed)
          llama_sampler_accept(ahead.get(), draft[allowed]);
      } catch (std::exception const&) {
        // As in `can_accept`: the draft ends before this token.
      }
      return allowed;
    }

   private:
    // llama.cpp throws for a token that ends its waiting with a text that the grammar does not allow.
    bool can_accept(Token token) {
      Owned const trial(llama_sampler_clone(grammar_.get()));
      try {
        llama_sampler_accept(trial.get(), token);
      } catch (std::exception const&) {
        return false;
      }
      return true;
    }

    // After a failed pass, the same tokens come again.
    void follow(std::span<Token const> before) {
      if (before.size() < read_) {
        grammar_.reset(llama_sampler_clone(start_.get()));
        read_ = begin_;
      }
      for (; read_ < before.size(); ++read_) llama_sampler_accept(grammar_.get(), before[read_]);
    }

    Shared start_;
    Owned grammar_;
    std::size_t begin_;
    std::size_t read_;  // tokens before this position are part of the state
    bool waits_;
    Token refused_ = 0;  // by the newest call of `allows`
    std::vector<llama_token_data> candidates_;
  };

  static Shared share(llama_sampler* sampler) { return sampler == nullptr ? nullptr : Shared(sampler, Free()); }

  Shared start_;
  bool waits_;
};

}  // namespace adapters
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
