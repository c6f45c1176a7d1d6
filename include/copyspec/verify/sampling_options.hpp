// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../core/token.hpp"
#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// What is taken off the logits of tokens that stand among the newest `window` tokens, prompt included: as often as
/// they do. As llama.cpp computes it.
struct PenaltyOptions {
  float repetition = 1;     ///< Positive logits are divided by it, others multiplied (Keskar et al., "CTRL", 2019).
  float frequency = 0;      ///< Taken off for each time.
  float presence = 0;       ///< Taken off once.
  std::size_t window = 64;  ///< `all_tokens`: the whole context.

  static constexpr std::size_t all_tokens = ~std::size_t{0};

  [[nodiscard]] bool any() const noexcept { return window > 0 && (repetition != 1 || frequency != 0 || presence != 0); }
};

/// What is taken off the logits of tokens that would go on with a repetition: `multiplier * base^(length -
/// allowed_length)`, where the newest `length` tokens stand elsewhere among the newest `window` with that token behind
/// them ("Don't repeat yourself", p-e-w, text-generation-webui, 2024).
struct DryOptions {
  float multiplier = 0;  ///< Zero is off.
  float base = 1.75F;
  std::size_t allowed_length = 2;    ///< Shorter repetitions cost nothing.
  std::size_t window = 1024;         ///< The work of a row grows with it.
  std::vector<Token> breakers = {};  ///< No repetition goes beyond one of these.
};

/// Added to the logit of a token.
struct LogitBias {
  Token token = 0;
  float bias = 0;
};

/// What a caller does with rows. `before` are the tokens before the one that is drawn, of the context and of what of a
/// draft was accepted. Each is called in the order of the rows, only for rows whose draft was accepted up to there, and
/// must depend on its arguments alone, or on what these make of its state: after a pass that failed, it may see the
/// same rows again.
struct RowHooks {
  /// Changes a row of logits as it likes, after bias and penalties; minus infinity rules a token out.
  std::function<void(std::span<Token const> before, std::span<float> row)> edit = nullptr;
  /// Whether `token`, which was drawn, may stand. If not, the row is masked and drawn from again.
  std::function<bool(std::span<Token const> before, Token token)> allows = nullptr;
  /// With `allows`: rules out all that may not stand. Without it, only what was drawn is ruled out, and so on.
  std::function<void(std::span<Token const> before, std::span<float> row)> mask = nullptr;
  /// How many of the first tokens of `draft`, which lies directly behind `context` in memory, may stand; the others are
  /// not fed. For drafts that are
  /// chains. It saves rows and changes nothing else.
  std::function<std::size_t(std::span<Token const> context, std::span<Token const> draft)> allowed_draft = nullptr;
};

/// How tokens are drawn from rows. The defaults draw from the model's own distribution.
///
/// The order, which is llama.cpp's: `logit_bias`, `penalties`, `dry`, `hooks.edit`, then the filters `top_k`,
/// `typical_p`, `top_p`, `min_p`, each on the tokens that the one before left, renormalised, then `temperature`. With
/// `temperature_first`, the filters see the logits divided by the temperature, as those of Hugging Face, vLLM and
/// FlashInfer do (which apply typical-p last). Of equal logits, the lower token stays first.
struct SamplingOptions {
  float temperature = 1;  ///< Zero draws the token with the greatest logit that is left.
  bool temperature_first = false;
  std::size_t top_k = 0;   ///< The tokens with the greatest logits; zero is all.
  float typical_p = 1;     ///< The most typical tokens (Meister et al., 2023) with at least this mass; 1 is all.
  float top_p = 1;         ///< The likeliest tokens (Holtzman et al., 2020) with at least this mass; 1 is all.
  float min_p = 0;         ///< Tokens at least so likely, as a share of the likeliest one's.
  std::uint64_t seed = 0;  ///< The same seed draws the same tokens of the same rows; a fork needs another.
  PenaltyOptions penalties = {};
  DryOptions dry = {};
  std::vector<LogitBias> logit_bias = {};
  /// Asks for the log-probability of each token, and of so many that were the likeliest, in the model's own
  /// distribution: the softmax of the row as it was returned.
  std::optional<std::size_t> logprobs = std::nullopt;
  RowHooks hooks = {};
};

/// Raises an `Error` that names what is wrong, unless these options can be sampled by with a vocabulary of so many.
inline void require_valid(SamplingOptions const& options, std::size_t vocabulary) {
  auto const require = [](bool valid, char const* name, float value, char const* expected) {
    if (!valid)
      raise_error(ErrorCode::bad_options,
                  std::string("sampling: ") + name + " is " + std::to_string(value) + ": expected " + expected);
  };
  auto const finite = [&](char const* name, float value) {
    require(std::isfinite(value), name, value, "a finite number");
  };
  auto const share = [&](char const* name, float value) {
    require(value >= 0 && value <= 1, name, value, "a number from 0 to 1");
  };
  float const temperature = options.temperature;
  require(temperature == 0 || (temperature >= 1e-3F && temperature <= 1e3F), "temperature", temperature,
          "0, or a number from 0.001 to 1000");
  share("typical_p", options.typical_p);
  share("top_p", options.top_p);
  share("min_p", options.min_p);
  require(options.penalties.repetition > 0 && std::isfinite(options.penalties.repetition), "repetition penalty",
          options.penalties.repetition, "a finite number above 0");
  finite("frequency penalty", options.penalties.frequency);
  finite("presence penalty", options.penalties.presence);
  finite("dry multiplier", options.dry.multiplier);
  require(options.dry.base >= 1 && std::isfinite(options.dry.base), "dry base", options.dry.base,
          "a finite number of at least 1");
  for (LogitBias const& bias : options.logit_bias) {
    if (bias.token < 0 || static_cast<std::size_t>(bias.token) >= vocabulary)
      raise_error(ErrorCode::bad_options, "sampling: a logit bias for token " + std::to_string(bias.token) +
                                              ", outside the vocabulary of " + std::to_string(vocabulary));
    require(!std::isnan(bias.bias) && bias.bias < INFINITY, "logit bias", bias.bias,
            "a finite number or minus infinity");
  }
  if (options.logprobs && *options.logprobs > vocabulary)
    raise_error(ErrorCode::bad_options, "sampling: log-probabilities of the " + std::to_string(*options.logprobs) +
                                            " likeliest tokens, of a vocabulary of " + std::to_string(vocabulary));
  if (options.hooks.mask && !options.hooks.allows)
    raise_error(ErrorCode::bad_options, "sampling: a mask without `allows` is never asked for: use `edit`");
}

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
