// SPDX-License-Identifier: MIT
#include "support/plain_decoder.hpp"

#include <copyspec/core/token.hpp>
#include <copyspec/decode/sequence.hpp>
#include <copyspec/decode/stop.hpp>
#include <copyspec/model/engine.hpp>
#include <copyspec/verify/sampling_verifier.hpp>
#include <copyspec/verify/verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "support/tokens.hpp"
#include "support/toy_language.hpp"

namespace copyspec_test {

using copyspec::SamplingVerifier;
using copyspec::Segment;
using copyspec::Verdict;
using copyspec::VerdictStatus;

namespace {

// How many tokens at the end of `said` are a stop.
std::size_t stop_length(StopRules const& rules, Tokens const& said) {
  std::size_t length = 0;
  for (Token const token : rules.tokens) length = std::max<std::size_t>(length, said.back() == token ? 1 : 0);
  for (Tokens const& stop : rules.sequences)
    if (!stop.empty() && stop.size() <= said.size() && std::equal(stop.rbegin(), stop.rend(), said.rbegin()))
      length = std::max(length, stop.size());
  return length;
}

}  // namespace

Plain decode_plainly(ToyLanguage options, Tokens const& context, std::size_t budget, StopRules const& rules) {
  Plain plain;
  options.max_tokens = options.context_limit;
  Toy model(options);
  SamplingVerifier sampler;
  sampler.begin_turn({.options = options.sampling ? &*options.sampling : nullptr,
                      .vocabulary = options.vocabulary,
                      .budget = budget == no_limit ? 0 : budget,
                      .answer = context.size()});
  Tokens said = context;
  for (Tokens pending = context; plain.tokens.size() < budget;) {
    Segment const segment{.tokens = pending, .rows = 1};
    auto const rows = model.forward({&segment, 1});
    auto const row = rows.row(0);
    if (options.sampling) {
      Verdict const verdict = sampler.verify(rows, said, said.size());
      if (verdict.status != VerdictStatus::ok) {
        plain.status = SequenceStatus::invalid_row;
        plain.shown = plain.tokens.size();
        break;
      }
      pending = {verdict.next};
    } else {
      pending = {static_cast<Token>(std::max_element(row.begin(), row.end()) - row.begin())};
    }
    said.push_back(pending.back());
    plain.tokens.push_back(pending.back());
    plain.shown = plain.tokens.size() - stop_length(rules, plain.tokens);
    if (plain.shown < plain.tokens.size())
      plain.status = SequenceStatus::stopped;
    else if (context.size() + plain.tokens.size() == options.context_limit)
      plain.status = SequenceStatus::context_full;
    else
      continue;
    break;
  }
  for (std::size_t i = 0; i < sampler.logprobs().size(); ++i)
    std::ranges::copy(sampler.logprobs()[i], std::back_inserter(plain.logprobs));
  return plain;
}

}  // namespace copyspec_test
