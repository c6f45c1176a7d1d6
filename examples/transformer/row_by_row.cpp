// SPDX-License-Identifier: MIT
#include "transformer.hpp"

namespace transformer {

Vector RowByRow::feed(Cache& cache, copyspec::Token token) const {
  Eigen::Index const heads = weights_.shape.heads;
  Eigen::Index const position = cache.length++;
  Vector x = weights_.embedding.col(token);
  for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
    Layer const& layer = weights_.layers[i];
    Vector const input = normalised(x);
    Vector query = layer.query * input;
    Vector key = layer.key * input;
    rotate(query, heads, position);
    rotate(key, heads, position);
    cache.keys[i].col(position) = key;
    cache.values[i].col(position) = layer.value * input;
    Vector const attended = attend(query, cache.keys[i], cache.values[i], heads, position);
    x += layer.mix * attended;
    Vector const between = normalised(x);
    x += layer.down * gated(layer.gate * between, layer.up * between);
  }
  return normalised(x);
}

copyspec::LogitsView<float> RowByRow::forward(std::span<copyspec::Segment const> batch) {
  std::size_t rows = 0;
  for (copyspec::Segment const& segment : batch) rows += segment.rows;
  rows_.resize(vocabulary_size(), static_cast<Eigen::Index>(rows));
  Eigen::Index row = 0;
  for (copyspec::Segment const& segment : batch) {
    Cache& cache = cache_of(segment.sequence);
    for (std::size_t i = 0; i < segment.tokens.size(); ++i) {
      Vector const x = feed(cache, segment.tokens[i]);
      if (i + segment.rows >= segment.tokens.size()) rows_.col(row++) = weights_.output * x;
    }
  }
  return view();
}

}  // namespace transformer
