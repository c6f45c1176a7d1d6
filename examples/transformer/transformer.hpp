// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Core>
#include <copyspec/model.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace transformer {

/// A column for each token.
using Matrix = Eigen::MatrixXf;
/// The column of one token.
using Vector = Eigen::VectorXf;
/// The weights of an output follow each other.
using WeightMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Sizes of a network. By default its weights are 52 MB, more than the caches of most CPUs hold.
struct Shape {
  Eigen::Index vocabulary = 256;  ///< Bytes, say.
  Eigen::Index width = 512;       ///< Of what flows from layer to layer.
  Eigen::Index heads = 8;         ///< Of the attention; they divide the width into even parts.
  Eigen::Index inner = 1408;      ///< Width inside the MLP.
  Eigen::Index layers = 4;
  Eigen::Index context = 1024;  ///< Most tokens of a sequence.
  std::uint64_t seed = 1;       ///< Chooses the weights.
};

/// The weights of one layer. The gains of its norms are one: they would be part of the weights after them.
struct Layer {
  WeightMatrix query, key, value, mix;  ///< Of the attention; `mix` joins its heads.
  WeightMatrix gate, up, down;          ///< Of the MLP.
};

/// The weights of a decoder-only transformer, at random.
struct Weights {
  explicit Weights(Shape const& shape = {});

  Shape shape;
  Matrix embedding;  ///< A column for each token of the vocabulary.
  std::vector<Layer> layers;
  WeightMatrix output;
};

/// Keys and values of the tokens that are held for one sequence.
struct Cache {
  explicit Cache(Shape const& shape);

  Eigen::Index length = 0;           ///< Tokens held. Columns from here on are free, whatever they contain.
  std::vector<Matrix> keys, values;  ///< Of each layer, a column for each token.
};

/// Each column divided by the root of its mean square.
[[nodiscard]] Matrix normalised(Eigen::Ref<Matrix const> const& x);

/// Rotates the queries or keys of one token by its position.
void rotate(Eigen::Ref<Vector> x, Eigen::Index heads, Eigen::Index position);

/// What the token at `position` with these queries sees: the values of the tokens up to itself, by their keys.
[[nodiscard]] Vector attend(Eigen::Ref<Vector const> const& query, Matrix const& keys, Matrix const& values,
                            Eigen::Index heads, Eigen::Index position);

/// The inside of the MLP (SwiGLU).
[[nodiscard]] Matrix gated(Eigen::Ref<Matrix const> const& gate, Eigen::Ref<Matrix const> const& up);

/// What both engines have: everything of a `copyspec::Model` but `forward`.
class EngineBase {
 public:
  explicit EngineBase(Weights const& weights) : weights_(weights) {}

  [[nodiscard]] Eigen::Index vocabulary_size() const { return weights_.shape.vocabulary; }
  [[nodiscard]] Eigen::Index max_tokens() const { return 64; }
  [[nodiscard]] Eigen::Index context_limit() const { return weights_.shape.context; }

  std::size_t truncate(copyspec::SequenceId sequence, std::size_t length);

 protected:
  /// The cache of a sequence, empty if it holds nothing.
  Cache& cache_of(copyspec::SequenceId sequence) { return caches_.try_emplace(sequence, weights_.shape).first->second; }

  /// The rows of a pass: each column of the matrix is one.
  [[nodiscard]] copyspec::LogitsView<float> view() const {
    return {rows_.data(), static_cast<std::size_t>(rows_.cols()), static_cast<std::size_t>(rows_.rows())};
  }

  Weights const& weights_;
  Matrix rows_;

 private:
  std::map<copyspec::SequenceId, Cache> caches_;
};

/// Feeds one token after the other. Reads all weights for each of them.
class RowByRow : public EngineBase {
 public:
  using EngineBase::EngineBase;
  copyspec::LogitsView<float> forward(std::span<copyspec::Segment const> batch);

 private:
  [[nodiscard]] Vector feed(Cache& cache, copyspec::Token token) const;
};
static_assert(copyspec::Model<RowByRow>);

/// Feeds all tokens of a pass at once. Reads all weights once.
class RowsTogether : public EngineBase {
 public:
  using EngineBase::EngineBase;
  copyspec::LogitsView<float> forward(std::span<copyspec::Segment const> batch);

 private:
  // Where a token of a pass belongs. The map of caches never moves one.
  struct Place {
    Cache* cache;
    Eigen::Index position;
  };

  [[nodiscard]] Matrix feed(std::span<Place const> places, Matrix x) const;
};
static_assert(copyspec::Model<RowsTogether>);

}  // namespace transformer
