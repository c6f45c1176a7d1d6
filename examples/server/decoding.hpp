// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../llama_cpp/vocabulary.hpp"
#include "copyspec/adapters/llama_cpp/model.hpp"
#include "copyspec/decode/batch.hpp"
#include "copyspec/decode/text_stream.hpp"
#include "copyspec/mix/mixing_proposer.hpp"
#include "copyspec/verify/sampling_verifier.hpp"
#include "metrics.hpp"
#include "slots.hpp"
#include "work.hpp"

namespace copyspec_server {

struct DecodingOptions {
  std::size_t context_limit = 0;  ///< Most tokens of a prompt with its answer.
  /// Most tokens of a pass in which prompts are read while answers are generated. From 64 tokens of several sequences
  /// on, llama.cpp on a CPU computes attention in tiles, and each token takes the time of all sequences.
  std::size_t mixed_pass = 63;
  copyspec::MixingOptions drafting = {};
};

/// Continuous batching over llama.cpp: all answers advance in one pass, with their drafts; prompts are read beside
/// them; prompts that begin alike share what the engine holds; and if its room runs out, the newest answers wait. The
/// context and the vocabulary are borrowed. Threads: one call at a time, of the thread that runs the engine.
class Decoding {
 public:
  Decoding(llama_context& context, copyspec_llama::Vocabulary const& vocabulary, DecodingOptions options,
           Metrics& metrics);

  /// Measures what passes cost, for up to `time`, so that the first answers are drafted as later ones. Nothing is under
  /// way. Throws `LlamaCppError` if the engine fails.
  void warm_up(std::chrono::duration<double> time);

  /// Whether the answers to `work` can begin now: ids and room are free, and no other prompt is being read that begins
  /// alike.
  [[nodiscard]] bool has_place(Work const& work) const;
  /// Begins them. What makes that impossible goes to its channel. Needs: `has_place`.
  void begin(std::shared_ptr<Work const> const& work, Clock::time_point arrived);

  /// Whether any answer is under way.
  [[nodiscard]] bool busy() const noexcept { return answers_running_ > 0; }
  /// Ends the answers whose client has left or whose time is over.
  void drop_late();
  /// One pass over all answers. Passes their output on.
  void pass();
  /// Ends all answers with this error, after an exception of `pass`.
  void fail_all(std::string const& error, int status = 500);
  /// Tells the clients of all answers of this error, and does nothing else: nothing can be relied on any more.
  void abandon(std::string const& error) noexcept;

  [[nodiscard]] std::size_t answers() const noexcept { return answers_running_; }
  [[nodiscard]] std::size_t tokens_held() const;
  [[nodiscard]] copyspec::PassCost const& pass_cost() const noexcept { return proposer_.pass_cost(); }

 private:
  using Batch = copyspec::DecodeBatch<copyspec::MixingProposer, copyspec::SamplingVerifier>;
  using TokenText = std::function<std::string(copyspec::Token)>;

  struct Running {
    std::shared_ptr<Work const> work;
    std::size_t number = 0;  // in the request
    Clock::time_point arrived;
    std::size_t cached = 0;  // tokens of the prompt that the engine held
    std::size_t shared = 0;  // tokens whose room another sequence has taken already
    std::uint64_t order = 0;
    bool has_output = false;
  };

  void begin_first(Slots::Place const& place, std::shared_ptr<Work const> const& work, Clock::time_point arrived);
  void begin_others(copyspec::SequenceId first, std::shared_ptr<Work const> const& work, Clock::time_point arrived);
  void add(copyspec::SequenceId id, Running answer);
  void settle();
  void make_room();
  void resume_waiting();
  // Most tokens of a pass, and those of them that drafts leave for prompts.
  struct Budget {
    std::size_t tokens = 0;
    std::size_t for_prompts = 0;
  };
  [[nodiscard]] Budget budget() const;
  void recover(std::string const& error);
  bool preempt_newest();
  void count(copyspec::PassPlan const& plan, double seconds);
  void count_verdicts();
  void emit();
  void end(copyspec::SequenceId id, Ending ending);
  [[nodiscard]] std::size_t active() const;
  [[nodiscard]] bool any_paused() const;
  [[nodiscard]] std::optional<Running>& at(copyspec::SequenceId id) { return answers_[static_cast<std::size_t>(id)]; }
  // Calls `visit(id, answer)` for each answer under way.
  template <class Visit>
  void for_each_answer(Visit&& visit) const;

  copyspec::adapters::LlamaCpp model_;
  std::size_t room_;  // in tokens
  DecodingOptions options_;
  Metrics* metrics_;
  copyspec::MixingProposer proposer_;
  Batch batch_;
  copyspec::TextStream<TokenText> text_;
  Slots slots_;
  std::vector<std::optional<Running>> answers_;  // by id
  std::size_t answers_running_ = 0;
  std::uint64_t begun_ = 0;
  std::optional<Clock::time_point> last_pass_;  // when it ended, if answers are under way since
  // Of the sequences of the pass that is committed, before.
  struct Before {
    copyspec::SequenceId id;
    std::size_t accepted;
    std::size_t draft_passes;
    copyspec::SourceCounters by_source;
  };
  std::vector<Before> before_;
};

}  // namespace copyspec_server
