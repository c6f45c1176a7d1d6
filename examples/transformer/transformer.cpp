// SPDX-License-Identifier: MIT
#include "transformer.hpp"

#include <algorithm>
#include <cmath>
#include <random>

namespace transformer {
namespace {

// Uniform, so that a column of length `columns` and mean square one gives one of mean square one. Without a
// distribution of the standard library, which draws other numbers in each implementation.
template <class M>
void draw(M& matrix, Eigen::Index rows, Eigen::Index columns, double mean_square, std::mt19937_64& random) {
  auto const widest = static_cast<float>(std::sqrt(3 * mean_square));
  matrix.resize(rows, columns);
  for (Eigen::Index i = 0; i < matrix.size(); ++i)
    matrix.data()[i] = widest * (static_cast<float>(random() >> 40) / (1 << 23) - 1);
}

}  // namespace

Weights::Weights(Shape const& sizes) : shape(sizes), layers(static_cast<std::size_t>(sizes.layers)) {
  std::mt19937_64 random(shape.seed);
  auto const weigh = [&](WeightMatrix& matrix, Eigen::Index rows, Eigen::Index columns, double gain) {
    draw(matrix, rows, columns, gain / static_cast<double>(columns), random);
  };
  // What all layers add together is as large as the embedding.
  double const part = 1 / static_cast<double>(2 * shape.layers);
  draw(embedding, shape.width, shape.vocabulary, 1, random);
  for (Layer& layer : layers) {
    for (WeightMatrix* matrix : {&layer.query, &layer.key, &layer.value}) weigh(*matrix, shape.width, shape.width, 1);
    weigh(layer.mix, shape.width, shape.width, part);
    for (WeightMatrix* matrix : {&layer.gate, &layer.up}) weigh(*matrix, shape.inner, shape.width, 1);
    weigh(layer.down, shape.width, shape.inner, part);
  }
  weigh(output, shape.vocabulary, shape.width, 1);
}

Cache::Cache(Shape const& shape)
    : keys(static_cast<std::size_t>(shape.layers), Matrix(shape.width, shape.context)), values(keys) {}

Matrix normalised(Eigen::Ref<Matrix const> const& x) {
  Matrix result = x;
  for (Eigen::Index i = 0; i < x.cols(); ++i)
    result.col(i) /= std::sqrt(x.col(i).squaredNorm() / static_cast<float>(x.rows()) + 1e-6F);
  return result;
}

void rotate(Eigen::Ref<Vector> x, Eigen::Index heads, Eigen::Index position) {
  Eigen::Index const pairs = x.size() / heads / 2;
  for (Eigen::Index pair = 0; pair < pairs; ++pair) {
    double const speed = std::pow(10000.0, -static_cast<double>(pair) / static_cast<double>(pairs));
    double const angle = speed * static_cast<double>(position);
    auto const cosine = static_cast<float>(std::cos(angle));
    auto const sine = static_cast<float>(std::sin(angle));
    for (Eigen::Index i = pair; i < x.size(); i += 2 * pairs) {
      float const first = x[i];
      float const second = x[i + pairs];
      x[i] = first * cosine - second * sine;
      x[i + pairs] = first * sine + second * cosine;
    }
  }
}

Vector attend(Eigen::Ref<Vector const> const& query, Matrix const& keys, Matrix const& values, Eigen::Index heads,
              Eigen::Index position) {
  Eigen::Index const width = query.size() / heads;
  Eigen::Index const seen = position + 1;
  Vector result(query.size());
  Vector shares(seen);
  for (Eigen::Index head = 0; head < query.size(); head += width) {
    shares.noalias() = keys.block(head, 0, width, seen).transpose() * query.segment(head, width);
    shares /= std::sqrt(static_cast<float>(width));
    shares = (shares.array() - shares.maxCoeff()).exp();
    shares /= shares.sum();
    result.segment(head, width).noalias() = values.block(head, 0, width, seen) * shares;
  }
  return result;
}

Matrix gated(Eigen::Ref<Matrix const> const& gate, Eigen::Ref<Matrix const> const& up) {
  return gate.array() / (1 + (-gate.array()).exp()) * up.array();
}

std::size_t EngineBase::truncate(copyspec::SequenceId sequence, std::size_t length) {
  auto const found = caches_.find(sequence);
  if (found == caches_.end()) return 0;
  if (length == 0) {
    caches_.erase(found);
    return 0;
  }
  std::size_t const held = std::min(length, static_cast<std::size_t>(found->second.length));
  found->second.length = static_cast<Eigen::Index>(held);
  return held;
}

}  // namespace transformer
