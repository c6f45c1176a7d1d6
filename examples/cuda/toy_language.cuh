// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <copyspec/core/token.hpp>
#include <copyspec/model/engine.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

/// A language without meaning: what comes next is a hash of the newest two tokens, so that it soon repeats itself. It
/// remembers what each sequence was fed, and gives a state for each row, from which the logits are computed on a host
/// or a device.
class ToyLanguage {
 public:
  static constexpr std::uint32_t vocabulary = 4096;
  static constexpr std::size_t max_tokens = 512;
  static constexpr std::size_t context_limit = 4096;

  /// The logit of `token` in the row that has `state`, between -8 and 8; the same wherever it is computed.
  [[nodiscard]] __host__ __device__ static float logit(std::uint64_t state, std::uint32_t token) {
    // 24 bits: what a float holds exactly.
    return static_cast<float>(mix(state + token) >> 40U) / static_cast<float>(1U << 20U) - 8.0F;
  }

  /// Takes the tokens in. Returns a state for each row that was asked for, valid until the next call.
  std::span<std::uint64_t const> feed(std::span<copyspec::Segment const> batch) {
    states_.clear();
    for (copyspec::Segment const& segment : batch) {
      std::vector<copyspec::Token>& held = held_[segment.sequence];
      for (std::size_t i = 0; i < segment.tokens.size(); ++i) {
        held.push_back(segment.tokens[i]);
        if (i + segment.rows >= segment.tokens.size()) states_.push_back(state(held));
      }
    }
    return states_;
  }

  std::size_t truncate(copyspec::SequenceId sequence, std::size_t length) {
    auto const found = held_.find(sequence);
    if (found == held_.end()) return 0;
    found->second.resize(std::min(length, found->second.size()));
    std::size_t const left = found->second.size();
    if (left == 0) held_.erase(found);
    return left;
  }

 private:
  // The finalizer of SplitMix64 (Steele, Lea and Flood 2014).
  [[nodiscard]] __host__ __device__ static std::uint64_t mix(std::uint64_t bits) {
    bits += 0x9E3779B97F4A7C15U;
    bits = (bits ^ (bits >> 30U)) * 0xBF58476D1CE4E5B9U;
    bits = (bits ^ (bits >> 27U)) * 0x94D049BB133111EBU;
    return bits ^ (bits >> 31U);
  }

  [[nodiscard]] static std::uint64_t state(std::span<copyspec::Token const> held) {
    std::uint64_t state = 1;
    // Of few kinds, so that the same two follow each other again.
    for (copyspec::Token const token : held.last(std::min<std::size_t>(2, held.size())))
      state = mix(state + static_cast<std::uint64_t>(token % 6));
    return state;
  }

  std::map<copyspec::SequenceId, std::vector<copyspec::Token>> held_;
  std::vector<std::uint64_t> states_;
};
