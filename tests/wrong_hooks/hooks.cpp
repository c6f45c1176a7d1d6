// SPDX-License-Identifier: MIT
// Optional calls of proposers and verifiers, each with the wrong type or a name that is nearly right; compiled with
// WRONG as the number of one of them, which must not compile, and with 0, which must. The list of names is in
// the CMakeLists.txt of the tests.
#include <copyspec/decode.hpp>
#include <copyspec/testing/toy_model.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

using namespace copyspec;

struct Proposer : NoProposer {
#if WRONG == 0
  void on_pass(PassReport const&) {}
  void set_sampling(auto const&, bool) {}
#elif WRONG == 1
  void reserve(std::string const&) {}
#elif WRONG == 2
  void require_vocabulary() {}
#elif WRONG == 3
  void set_references(std::vector<std::string> const&) {}
#elif WRONG == 4
  void set_sampling(SamplingOptions const&) {}
#elif WRONG == 5
  void prepare(std::span<Token const>) {}
#elif WRONG == 6
  std::size_t propose_tree(std::span<Token const>, TreeSpace) {
    return 0;
  }
#elif WRONG == 7
  Draft propose_after(std::span<Token const>, std::span<Token>) {
    return {};
  }
#elif WRONG == 8
  void on_draft_chosen(std::size_t) {}
#elif WRONG == 9
  void on_pass(double) {}
#elif WRONG == 10
  void on_turn_begin(std::span<Token const>) {}
#elif WRONG == 11
  void on_turn_end(std::string const&, std::size_t) {}
#elif WRONG == 12
  void observe_pass(PassReport const&) {}
#elif WRONG == 13
  void end_turn(std::span<Token const>, std::size_t) {}

 private:
#elif WRONG == 14
 private:
  void on_turn_begin(std::span<Token const>, std::size_t) {}
#elif WRONG == 25
  void set_scope(std::string const&) {}
#elif WRONG == 26
  void claim(int) {}
#elif WRONG == 27
  DraftOffer offer(std::span<Token const>) {
    return {};
  }
  void share_rows(std::span<DraftOffer>, PassWithoutDrafts const&) {}
  Draft draft_offered(std::span<Token const>, std::size_t) {
    return {};
  }
#elif WRONG == 28
  void share_rows(std::vector<DraftOffer> const&) {}
#elif WRONG == 29
  Draft draft_offered(std::span<Token const>, std::size_t) {
    return {};
  }
#endif
};

struct Verifier {
  Verdict verify(LogitsView<float>, std::span<Token const>, std::size_t) { return {}; }
#if WRONG == 0 || WRONG >= 15 && WRONG <= 19
#if WRONG == 15
  void begin_turn(SamplingOptions const&) {}
#else
  void begin_turn(SamplingTurn const&) {}
#endif
#if WRONG == 19
  void on_fork(std::string const&) {}
#else
  void on_fork(std::optional<std::uint64_t>) {}
#endif
#if WRONG != 16
  SamplingOptions const& options() const {
    return options_;
  }
#endif
#if WRONG == 17
  std::vector<float> logprobs() const {
    return {};
  }
#else
  LogprobsView logprobs() const {
    return {};
  }
#endif
#if WRONG == 18
  std::size_t allowed_draft(std::span<Token const>) const {
    return 0;
  }
#else
  std::size_t allowed_draft(std::span<Token const>, std::span<Token const> draft) const {
    return draft.size();
  }
#endif
  SamplingOptions options_;
#elif WRONG == 20
  static void check_supported(std::string const&) {}
#elif WRONG == 21
  void drawn_from(std::span<float const>) {}
#elif WRONG == 22
  void detach_workspace(int) {}
#elif WRONG == 23
  void on_turn_begin(std::size_t) {}
#elif WRONG == 24
  void on_turn_end(std::size_t) {}
#endif
};

int main() {
  testing::ToyModel<float> model;
  Composer composer(model, Proposer(), Verifier());
  composer.generate(std::vector<Token>{1, 2, 3}, {.max_new_tokens = 1});
}
