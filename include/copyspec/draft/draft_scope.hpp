// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "../core/error.hpp"
#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {

/// What the drafts of some turns copy from and learn from, apart from all other turns: the turns of one tenant, say. A
/// turn brings its scope (`GenerateOptions::scope`), and its proposer takes it (`ScopedProposer`). Each kind of
/// proposer has its own kind of scope, derived from `DraftScopeOf`; `MixingScope` is that of a `MixingProposer`.
class DraftScope {
 public:
  virtual ~DraftScope() = default;

  /// The same address for all scopes of one kind, and another for each other kind. Needs no run-time type information.
  [[nodiscard]] virtual void const* kind() const noexcept = 0;

 protected:
  DraftScope() = default;
  DraftScope(DraftScope const&) = default;
  DraftScope& operator=(DraftScope const&) = default;
};

/// The base of a kind of scope: `class MyScope : public DraftScopeOf<MyScope>`.
template <class Derived>
class DraftScopeOf : public DraftScope {
 public:
  [[nodiscard]] void const* kind() const noexcept final { return &address; }

  /// `scope` as a `Derived`; null if it is null. Throws `Error` if it is of another kind. O(1). Allocates only to
  /// throw.
  [[nodiscard]] static std::shared_ptr<Derived> of(std::shared_ptr<DraftScope> const& scope) {
    if (scope == nullptr) return nullptr;
    if (scope->kind() != &address)
      raise_error(ErrorCode::bad_options, "a scope of a kind that this proposer does not know");
    return std::static_pointer_cast<Derived>(scope);
  }

 private:
  // Not const, so that no linker merges those of two kinds.
  inline static char address = 0;
};

}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
