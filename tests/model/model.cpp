// SPDX-License-Identifier: MIT
#include <copyspec/model/model.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

using copyspec::LogitsOf;
using copyspec::LogitsView;
using copyspec::Model;
using copyspec::Segment;
using copyspec::SequenceId;

namespace {

struct Complete {
  static std::size_t vocabulary_size() { return 2; }
  static std::size_t max_tokens() { return 1; }
  static std::size_t context_limit() { return 1; }
  static LogitsView<float> forward(std::span<Segment const>) { return {}; }
  static std::size_t truncate(SequenceId, std::size_t) { return 0; }
};

struct Members {
  [[nodiscard]] int vocabulary_size() const { return size; }
  [[nodiscard]] int max_tokens() const { return size; }
  [[nodiscard]] int context_limit() const { return size; }
  LogitsView<double> forward(std::span<Segment const> batch) { return {nullptr, batch.size(), std::size_t(++size)}; }
  int truncate(SequenceId, std::size_t length) { return size += static_cast<int>(length); }
  int size = 2;
};

// Each hides one function of a complete model.
struct NoVocabularySize : Complete {
  void vocabulary_size() const = delete;
};
struct NoMaxTokens : Complete {
  void max_tokens() const = delete;
};
struct NoContextLimit : Complete {
  void context_limit() const = delete;
};
struct NoForward : Complete {
  void forward() = delete;
};
struct NoTruncate : Complete {
  void truncate() = delete;
};

struct MutableVocabularySize : Complete {
  std::size_t vocabulary_size() { return 2; }
};
struct MutableMaxTokens : Complete {
  std::size_t max_tokens() { return 1; }
};
struct MutableContextLimit : Complete {
  std::size_t context_limit() { return 1; }
};
struct OneSegmentForward : Complete {
  static LogitsView<float> forward(Segment const&) { return {}; }
};
struct MutableBatchForward : Complete {
  static LogitsView<float> forward(std::span<Segment>) { return {}; }
};
struct OwningForward : Complete {
  static std::vector<float> forward(std::span<Segment const>) { return {}; }
};
struct DerivedView : LogitsView<float> {};
struct DerivedForward : Complete {
  static DerivedView forward(std::span<Segment const>) { return {}; }
};
struct SilentTruncate : Complete {
  static void truncate(SequenceId, std::size_t) {}
};
struct AnonymousTruncate : Complete {
  static std::size_t truncate(std::size_t) { return 0; }
};

}  // namespace

static_assert(Model<Complete>);
static_assert(Model<Members>);
static_assert(!Model<int>);
static_assert(!Model<NoVocabularySize>);
static_assert(!Model<NoMaxTokens>);
static_assert(!Model<NoContextLimit>);
static_assert(!Model<NoForward>);
static_assert(!Model<NoTruncate>);
static_assert(!Model<MutableVocabularySize>);
static_assert(!Model<MutableMaxTokens>);
static_assert(!Model<MutableContextLimit>);
static_assert(!Model<OneSegmentForward>);
static_assert(!Model<MutableBatchForward>);
static_assert(!Model<OwningForward>);
static_assert(!Model<DerivedForward>);
static_assert(!Model<SilentTruncate>);
static_assert(!Model<AnonymousTruncate>);

TEST_CASE("a model's scalar is that of the view its forward returns") {
  static_assert(std::is_same_v<LogitsOf<Complete>, LogitsView<float>>);
  static_assert(std::is_same_v<LogitsOf<Members>, LogitsView<double>>);
  Members model;
  Segment const batch[2] = {};
  LogitsOf<Members> const rows = model.forward(batch);
  CHECK(rows.rows() == 2);
  CHECK(rows.vocabulary() == 3);
}

TEST_CASE("a segment asks for no rows unless told") {
  Segment const segment{};
  CHECK(segment.sequence == SequenceId{0});
  CHECK(segment.tokens.empty());
  CHECK(segment.rows == 0);
}
