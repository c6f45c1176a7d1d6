// SPDX-License-Identifier: MIT
#include <copyspec/draft/draft_scope.hpp>

#include <doctest/doctest.h>

#include <memory>

#include "copyspec/core/error.hpp"

using copyspec::DraftScope;
using copyspec::DraftScopeOf;

namespace {

struct Shelf : DraftScopeOf<Shelf> {};
struct Drawer : DraftScopeOf<Drawer> {};

}  // namespace

TEST_CASE("a scope is known by its kind, and another kind is refused") {
  std::shared_ptr<DraftScope> const shelf = std::make_shared<Shelf>();
  std::shared_ptr<DraftScope> const drawer = std::make_shared<Drawer>();
  CHECK(shelf->kind() == Shelf().kind());
  CHECK(shelf->kind() != drawer->kind());
  CHECK(Shelf::of(shelf) == shelf);
  CHECK(Shelf::of(nullptr) == nullptr);
  CHECK_THROWS_WITH_AS(static_cast<void>(Shelf::of(drawer)), "a scope of a kind that this proposer does not know",
                       copyspec::Error);
}
