// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>

#include "../core/version.hpp"
#include "device_logits.hpp"
#include "engine.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// A language model whose rows stay in the memory of the device that computed them. Everything in `Model` applies,
/// including laws, failure and threads, except the view that `forward` returns:
///
/// | expression       | returns                    | meaning |
/// |------------------|----------------------------|---------|
/// | `forward(batch)` | `DeviceLogitsView<Scalar>` | feeds the segments; returns the requested rows, in batch order, in device memory |
///
/// `forward` may return before the device has finished. The rows are valid for work enqueued after it on the model's
/// stream, until the next call of `forward` or `truncate`.
///
/// A `BatchVerifier` verifies such rows where they are, e.g. `cuda::DeviceGreedyVerifier`.
template <class M>
concept DeviceModel = Engine<M> && std::same_as<LogitsOf<M>, DeviceLogitsView<typename LogitsOf<M>::Scalar>>;

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
