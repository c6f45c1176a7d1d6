// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A claim on what several copies of an object share. At most one of the copies holds it at a time. Moving an object
/// moves its claim, and destroying it ends the claim; a copy does not hold it.
///
/// O(1). Allocates when constructed without another. Threads: one call at a time for each copy; all copies together at
/// any time.
class Claim {
 public:
  Claim() : taken_(std::make_shared<std::atomic<bool>>(false)) {}
  Claim(Claim const& other) noexcept : taken_(other.taken_) {}
  Claim(Claim&& other) noexcept : held_(std::exchange(other.held_, false)) {
    taken_ = other.taken_;  // the other stays a copy
  }
  Claim& operator=(Claim other) noexcept {
    std::swap(taken_, other.taken_);
    std::swap(held_, other.held_);
    return *this;
  }
  ~Claim() {
    if (held_) taken_->store(false);
  }

  /// Takes the claim. Returns whether this copy holds it now; if not, another does.
  bool take() noexcept { return held_ || (held_ = !taken_->exchange(true)); }

 private:
  std::shared_ptr<std::atomic<bool>> taken_;  // shared by all copies
  bool held_ = false;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
