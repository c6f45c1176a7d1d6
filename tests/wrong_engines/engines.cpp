// SPDX-License-Identifier: MIT
// An engine without one of its functions, or with a wrong one; compiled with WRONG as the number of it, which must not
// compile, and with 0, which must without a warning, whatever integral types its counts have. The list of names is in
// the CMakeLists.txt of the tests.
// First, so that its place in a list of includes is short.
#include <copyspec/model.hpp>

#include <copyspec/decode.hpp>
#include <copyspec/draft.hpp>
#include <copyspec/testing/compare_with_greedy.hpp>
#include <copyspec/testing/model_laws.hpp>
#include <copyspec/verify.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

using namespace copyspec;

struct OwnEngine {
#if WRONG != 1
  int vocabulary_size() const {
    return 8;
  }
#endif
#if WRONG != 2
  std::uint16_t max_tokens() const {
    return 64;
  }
#endif
#if WRONG == 3
  float context_limit() const {
    return 512;
  }
#else
  long long context_limit() const {
    return 512;
  }
#endif
#if WRONG == 4
  std::vector<float> forward(std::span<Segment const>) {
    return row_;
  }
#else
  LogitsView<float> forward(std::span<Segment const>) {
    return {row_.data(), 1, row_.size()};
  }
#endif
#if WRONG != 5
  int truncate(SequenceId, std::size_t length) {
    return static_cast<int>(length);
  }
  std::int32_t fork(SequenceId, SequenceId, std::size_t length) {
    return static_cast<std::int32_t>(length);
  }
  short shift(SequenceId, std::size_t, std::size_t length) {
    return static_cast<short>(length);
  }
#endif
  std::vector<float> row_ = std::vector<float>(8);
};

int main() {
  OwnEngine engine;
  Composer composer(engine, NoProposer(), GreedyVerifier());
  composer.generate(std::vector<Token>{1, 2, 3}, {.max_new_tokens = 1});
#if WRONG == 0
  static_assert(ForkingModel<OwnEngine> && ShiftingModel<OwnEngine>);
  composer.fork(SequenceId{0}, SequenceId{1});
  composer.shift(SequenceId{0}, 0, 1);
  (void)testing::check_model_laws(engine, {});
  (void)testing::compare_with_greedy(engine, {}, [](std::span<Token const>) { return std::vector<Token>(); }, {});
#endif
}
