// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>

#include "../core/version.hpp"
#include "device_logits.hpp"
#include "engine.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// A language model whose rows stay in the memory of the device that computed them. Everything said of `Model` holds,
/// laws, failure and threads included, but for the view that `forward` returns:
///
/// | expression       | returns                    | meaning |
/// |------------------|----------------------------|---------|
/// | `forward(batch)` | `DeviceLogitsView<Scalar>` | feeds the segments; the rows asked for, in batch order, in device memory |
///
/// `forward` may return before the device has finished; the rows are valid for what is enqueued behind it on the
/// stream that the model works on, until the next call of `forward` or `truncate`.
///
/// A `BatchVerifier` judges such rows where they are, e.g. `cuda::DeviceGreedyVerifier`.
template <class M>
concept DeviceModel = Engine<M> && std::same_as<LogitsOf<M>, DeviceLogitsView<typename LogitsOf<M>::Scalar>>;

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
