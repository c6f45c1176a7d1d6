// SPDX-License-Identifier: MIT
#include "transformer.hpp"

#include <algorithm>
#include <utility>

namespace transformer {
namespace {

// The product with each column. Weights that one column has read from memory are in the cache for the next.
Matrix product(WeightMatrix const& weights, Matrix const& x) {
  Matrix result(weights.rows(), x.cols());
  for (Eigen::Index first = 0; first < weights.rows(); first += 8) {
    Eigen::Index const outputs = std::min<Eigen::Index>(8, weights.rows() - first);
    for (Eigen::Index row = 0; row < x.cols(); ++row)
      result.col(row).segment(first, outputs).noalias() = weights.middleRows(first, outputs) * x.col(row);
  }
  return result;
}

}  // namespace

Matrix RowsTogether::feed(std::span<Place const> places, Matrix x) const {
  Eigen::Index const heads = weights_.shape.heads;
  for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
    Layer const& layer = weights_.layers[i];
    Matrix const input = normalised(x);
    Matrix query = product(layer.query, input);
    Matrix key = product(layer.key, input);
    Matrix const value = product(layer.value, input);
    Matrix attended(x.rows(), x.cols());
    for (Eigen::Index row = 0; auto const& [cache, position] : places) {
      rotate(query.col(row), heads, position);
      rotate(key.col(row), heads, position);
      cache->keys[i].col(position) = key.col(row);
      cache->values[i].col(position) = value.col(row);
      attended.col(row) = attend(query.col(row), cache->keys[i], cache->values[i], heads, position);
      ++row;
    }
    x += product(layer.mix, attended);
    Matrix const between = normalised(x);
    x += product(layer.down, gated(product(layer.gate, between), product(layer.up, between)));
  }
  return normalised(x);
}

copyspec::LogitsView<float> RowsTogether::forward(std::span<copyspec::Segment const> batch) {
  std::size_t tokens = 0;
  for (copyspec::Segment const& segment : batch) tokens += segment.tokens.size();
  Matrix x(weights_.shape.width, static_cast<Eigen::Index>(tokens));
  std::vector<Place> places;
  std::vector<Eigen::Index> requested;
  for (copyspec::Segment const& segment : batch) {
    Cache& cache = cache_of(segment.sequence);
    for (std::size_t i = 0; i < segment.tokens.size(); ++i) {
      auto const column = static_cast<Eigen::Index>(places.size());
      x.col(column) = weights_.embedding.col(segment.tokens[i]);
      places.push_back({.cache = &cache, .position = cache.length++});
      if (i + segment.rows >= segment.tokens.size()) requested.push_back(column);
    }
  }
  x = feed(places, std::move(x));
  Matrix last(x.rows(), static_cast<Eigen::Index>(requested.size()));
  for (Eigen::Index row = 0; Eigen::Index const column : requested) last.col(row++) = x.col(column);
  rows_ = product(weights_.output, last);
  return view();
}

}  // namespace transformer
