// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <openvino/openvino.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../../core/token.hpp"
#include "../../core/version.hpp"
#include "../../model/forking_model.hpp"
#include "../../model/model.hpp"
#include "../../model/tree_model.hpp"
#include "../detail/segment_checks.hpp"
#include "detail/cells.hpp"
#include "detail/checks.hpp"
#include "detail/inputs.hpp"
#include "error.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace adapters {

/// Whether the laws of `Model` have to hold up to rounding of f32.
enum class OpenVinoPrecision : bool {
  exact,        ///< Yes: the model was compiled with `openvino_exact()`.
  as_compiled,  ///< No: rows may depend on how many are computed, and so may the text.
};

/// How an `OpenVino` is used.
struct OpenVinoOptions {
  std::size_t max_tokens = 512;      ///< Most tokens of a pass.
  std::size_t context_limit = 4096;  ///< Most tokens of a sequence; no more than the model was trained for.
  OpenVinoPrecision precision = OpenVinoPrecision::exact;
};

/// A graph that `read_openvino_gguf` returned, compiled by OpenVINO, as a `Model` with any sequence ids.
///
/// OpenVINO's cache only grows, and which of its cells a token attends to is up to the mask that a pass is given. So
/// any sequences share a pass, cutting back is exact, a fork shares the cells of its tokens, and a tree needs nothing
/// but its rows. Cells that no sequence holds stay until they are more than a half and `spare_cells`: then the next
/// pass copies the others, all caches once.
///
/// OpenVINO makes kernels in the first pass of each row count, which takes longer, the very first as long as twenty
/// passes. So measure what passes cost before you decode (`testing/pass_curve.hpp`): that warms it up, and drafts have
/// the right length from the first on.
///
/// Keeps the compiled model alive, and makes an infer request of its own. A pass that throws leaves the caches of
/// layers at different lengths, and the graph unfit for passes of other shapes. So before the next pass, the caches are
/// cut and that pass is run once more, to its end. Nothing is lost. Other requests of the compiled model share the
/// graph, so let none run beside this one.
///
/// The constructor throws `OpenVinoError` for another graph, and for a model that was compiled otherwise than
/// `openvino_exact()` says, unless that is expected. `forward` throws it for what exceeds the limits, and for what
/// OpenVINO throws. Allocates, as OpenVINO does for each pass. Threads: one call at a time.
class OpenVino {
 public:
  /// Dead cells that are not worth dropping.
  static constexpr std::size_t spare_cells = 256;

  explicit OpenVino(ov::CompiledModel compiled, OpenVinoOptions const& options = {})
      : compiled_(std::move(compiled)), vocabulary_size_(detail::require_openvino_graph(compiled_)), options_(options) {
    if (options_.max_tokens == 0 || options_.context_limit == 0)
      raise_error<OpenVinoError>(ErrorCode::bad_options, "max_tokens and context_limit have to be at least 1");
    if (options_.precision == OpenVinoPrecision::exact) detail::require_openvino_exact(compiled_);
    detail::call_openvino("OpenVINO", ErrorCode::engine, [&] {
      request_ = compiled_.create_infer_request();
      request_.reset_state();
    });
  }

  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return vocabulary_size_; }
  [[nodiscard]] std::size_t max_tokens() const noexcept { return options_.max_tokens; }
  [[nodiscard]] std::size_t context_limit() const noexcept { return options_.context_limit; }
  [[nodiscard]] std::size_t max_branches() const noexcept { return options_.max_tokens; }

  /// Lets the pass that is under way throw, which costs the next one as much again. From any thread.
  void cancel() { request_.cancel(); }

  /// Cells of the cache, those that no sequence holds included.
  [[nodiscard]] std::size_t cells() const noexcept { return cells_.size(); }

  /// See `Model`. Throws `OpenVinoError`.
  LogitsView<float> forward(std::span<Segment const> segments) { return run(segments); }

  /// See `TreeModel`. Throws as above.
  LogitsView<float> forward(std::span<TreeSegment const> segments) { return run(segments); }

  /// See `Model`. Never throws.
  std::size_t truncate(SequenceId sequence, std::size_t length) { return cells_.truncate(sequence, length); }

  /// See `TreeModel`.
  std::size_t keep(SequenceId sequence, std::size_t length, std::span<std::int32_t const> path) {
    return cells_.keep(sequence, length, path);
  }

  /// See `ForkingModel`. Throws `OpenVinoError` only for `to` equal to `from`.
  std::size_t fork(SequenceId from, SequenceId to, std::size_t length) {
    if (from == to) raise_error<OpenVinoError>(ErrorCode::engine, "a sequence cannot be forked to itself");
    cells_.truncate(to, 0);
    return cells_.fork(from, to, length);
  }

 private:
  template <class AnySegment>
  LogitsView<float> run(std::span<AnySegment const> segments) {
    require_fit(segments);
    if (lost_)
      raise_error<OpenVinoError>(ErrorCode::engine,
                                 "OpenVINO failed while its caches were written: make a new OpenVino");
    cells_.forget_trees();
    std::size_t const live = cells_.size() - cells_.dead();
    if (unsure_ || (cells_.dead() > 0 && live == 0) || cells_.dead() > std::max(live, spare_cells)) compact();
    inputs_.fill(segments, cells_);
    std::size_t const rows = inputs_.rows.size();
    if (rows == 0) inputs_.rows.push_back(0);  // the graph wants one
    unsure_ = true;
    float const* const logits = detail::call_openvino("OpenVINO", ErrorCode::engine, [&] { return infer(); });
    unsure_ = false;
    cells_.append(segments);
    return {rows == 0 ? nullptr : logits, rows, vocabulary_size_};
  }

  template <class AnySegment>
  void require_fit(std::span<AnySegment const> segments) const {
    std::size_t total = 0;
    std::size_t branches = max_branches();
    for (AnySegment const& segment : segments) {
      branches -= detail::require_segment<OpenVinoError>(segment, cells_.held(segment.sequence), branches,
                                                         {.vocabulary_size = static_cast<Token>(vocabulary_size_),
                                                          .context_limit = options_.context_limit,
                                                          .negative_token = ", and the graph takes tokens alone"});
      total += segment.tokens.size();
    }
    if (total > max_tokens())
      raise_error<OpenVinoError>(ErrorCode::engine, "a pass of " + std::to_string(total) +
                                                        " tokens exceeds max_tokens = " + std::to_string(max_tokens()));
  }

  float const* infer() {
    std::size_t const count = inputs_.tokens.size();
    auto const set = [&](char const* name, std::vector<std::int32_t>& values) {
      request_.set_tensor(name, ov::Tensor(ov::element::i32, {1, 1, 1, values.size()}, values.data()));
    };
    set("inp_tokens", inputs_.tokens);
    set("inp_pos", inputs_.positions);
    set("inp_out_ids", inputs_.rows);
    request_.set_tensor("self_kq_mask",
                        ov::Tensor(ov::element::f32, {1, 1, count, cells_.size() + count}, inputs_.mask.data()));
    request_.set_tensor("beam_idx", ov::Tensor(ov::element::i32, {1}, &beam_));
    request_.infer();
    return request_.get_output_tensor(0).data<float>();
  }

  // Drops what no sequence holds from all caches.
  void compact() {
    detail::call_openvino("OpenVINO", ErrorCode::engine, [&] {
      if (unsure_) repair();
      auto const live = cells_.live();
      if (live.empty())
        request_.reset_state();
      else
        keep_cells(live);
      cells_.compact();
      unsure_ = false;
    });
  }

  // After a pass that threw, caches have different lengths, and some nodes of the graph have the shapes of that pass,
  // with which others would be computed wrongly or not at all. So the caches are cut, and it is run to its end.
  void repair() {
    std::vector<detail::OpenVinoCells::Index> before(cells_.size());
    std::iota(before.begin(), before.end(), detail::OpenVinoCells::Index{0});
    if (before.empty())
      request_.reset_state();
    else
      keep_cells(before);
    infer();
  }

  // Leaves only the given cells in all caches.
  void keep_cells(std::span<detail::OpenVinoCells::Index const> kept) {
    auto states = request_.query_state();
    std::vector<ov::Tensor> caches;
    caches.reserve(states.size());
    for (auto& state : states) caches.push_back(only(state.get_state(), kept));
    lost_ = true;
    for (std::size_t i = 0; i < states.size(); ++i) states[i].set_state(caches[i]);
    lost_ = false;
  }

  // A cache of the given cells. They lie one after the other along its second axis.
  static ov::Tensor only(ov::Tensor const& cache, std::span<detail::OpenVinoCells::Index const> cells) {
    ov::Shape shape = cache.get_shape();
    std::size_t const bytes = cache.get_byte_size() / shape[1];
    shape[1] = cells.size();
    ov::Tensor kept(cache.get_element_type(), shape);
    auto const* const from = static_cast<std::byte const*>(cache.data());
    auto* to = static_cast<std::byte*>(kept.data());
    for (auto const cell : cells) {
      std::memcpy(to, from + cell * bytes, bytes);
      to += bytes;
    }
    return kept;
  }

  ov::CompiledModel compiled_;
  std::size_t vocabulary_size_;
  OpenVinoOptions options_;
  ov::InferRequest request_;
  detail::OpenVinoCells cells_;
  detail::OpenVinoInputs inputs_;
  bool unsure_ = false;  // whether the caches may have cells beyond those of `cells_`
  bool lost_ = false;    // whether some caches were written and others were not
  std::int32_t beam_ = 0;
};

static_assert(TreeModel<OpenVino> && ForkingModel<OpenVino>);

}  // namespace adapters
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
