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

/// The tokens that penalties count.
enum class PenaltyScope : std::uint8_t {
  context,    ///< The prompt and the generated tokens, as in llama.cpp.
  generated,  ///< Only tokens generated in this turn.
};

/// Penalties on the logits of tokens that occur among the newest `window` tokens of a scope. Computed as llama.cpp
/// does.
struct PenaltyOptions {
  float repetition = 1;     ///< Divides positive logits and multiplies others (Keskar et al., "CTRL", 2019).
  float frequency = 0;      ///< Subtracted once per occurrence.
  float presence = 0;       ///< Subtracted once if the token occurs.
  std::size_t window = 64;  ///< In tokens; `all_tokens` is the whole scope.
  PenaltyScope scope = PenaltyScope::context;

  static constexpr std::size_t all_tokens = ~std::size_t{0};

  [[nodiscard]] bool any() const noexcept { return window > 0 && (repetition != 1 || frequency != 0 || presence != 0); }
};

/// Penalty on the logits of tokens that would continue a repetition: `multiplier * base^(length - allowed_length)`.
/// Here `length` is the number of newest tokens that also occur earlier among the newest `window`, followed by that
/// token ("Don't repeat yourself", p-e-w, text-generation-webui, 2024).
struct DryOptions {
  float multiplier = 0;  ///< Zero is off.
  float base = 1.75F;
  std::size_t allowed_length = 2;    ///< Shorter repetitions are not penalised.
  std::size_t window = 1024;         ///< In tokens; the cost of a row is proportional to it.
  std::vector<Token> breakers = {};  ///< A repetition does not extend across one of these.
};

/// Added to the logit of a token.
struct LogitBias {
  Token token = 0;
  float bias = 0;
};

/// Hooks by which a caller edits or checks the rows of one turn. `before` are the tokens before the one to draw: the
/// context and the accepted part of the draft. Hooks are called in the order of the rows, and only for rows whose draft
/// was accepted up to there. They must depend on their arguments alone, or on state derived from these: after a failed
/// pass they may see the same rows again. What a hook throws passes through.
struct RowHooks {
  /// Edits a row of logits in place, after bias and penalties; minus infinity excludes a token.
  std::function<void(std::span<Token const> before, std::span<float> row)> edit = nullptr;
  /// Whether the drawn `token` is allowed. If not, the row is masked and drawn from again.
  std::function<bool(std::span<Token const> before, Token token)> allows = nullptr;
  /// Used with `allows`: excludes all tokens that are not allowed. Without it, only the refused token is excluded, and
  /// so on until one is allowed.
  std::function<void(std::span<Token const> before, std::span<float> row)> mask = nullptr;
  /// How many of the first tokens of `draft` are allowed; the others are not fed. `draft` lies directly after `context`
  /// in memory. Called for drafts that are chains. It saves rows and changes nothing else.
  std::function<std::size_t(std::span<Token const> context, std::span<Token const> draft)> allowed_draft = nullptr;
};

/// Makes the hooks of one turn, whose first generated token is at position `answer`. Called when a turn begins, and for
/// each fork of it: no two turns share what a call returns. So hooks may keep state that follows the answer.
using RowHooksFactory = std::function<RowHooks(std::size_t answer)>;

/// How tokens are drawn from rows. The defaults draw from the model's own distribution.
///
/// The order is that of llama.cpp: `logit_bias`, `penalties`, `dry`, `hooks.edit`, then the filters `top_k`,
/// `typical_p`, `top_p`, `min_p`, then `temperature`. Each filter sees the tokens that the one before kept,
/// renormalised. With `temperature_first`, the filters see the logits divided by the temperature, as in Hugging Face,
/// vLLM and FlashInfer (which apply typical-p last). Of equal logits, the lower token ranks first.
struct SamplingOptions {
  float temperature = 1;  ///< Zero draws the token with the greatest remaining logit.
  bool temperature_first = false;
  std::ptrdiff_t top_k = 0;  ///< Keeps the tokens with the greatest logits; 0 and -1 keep all.
  float typical_p = 1;  ///< Keeps the most typical tokens (Meister et al., 2023) with at least this mass; 1 keeps all.
  float top_p = 1;      ///< Keeps the likeliest tokens (Holtzman et al., 2020) with at least this mass; 1 keeps all.
  float min_p = 0;      ///< Keeps tokens with at least this share of the greatest probability.
  /// The same seed draws the same tokens from the same rows. Without one, each turn gets a `fresh_seed`.
  std::optional<std::uint64_t> seed = std::nullopt;
  PenaltyOptions penalties = {};
  DryOptions dry = {};
  std::vector<LogitBias> logit_bias = {};
  /// If set, requests the log-probability of each generated token and of this many likeliest tokens. They are taken
  /// from the model's own distribution: the softmax of the row as the model returned it.
  std::optional<std::size_t> logprobs = std::nullopt;
  RowHooksFactory hooks = nullptr;  ///< One factory serves any number of turns.
};

/// Throws `Error`, which names the invalid option, unless these options are valid for a vocabulary of this many tokens.
/// Does not call `hooks`. O(logit biases).
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
  if (options.top_k < -1)
    raise_error(ErrorCode::bad_options, "sampling: top_k is " + std::to_string(options.top_k) +
                                            ": expected a number of tokens, or 0 or -1 for all");
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
}

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
