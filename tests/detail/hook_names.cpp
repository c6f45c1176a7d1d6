// SPDX-License-Identifier: MIT
#include <copyspec/detail/hook_names.hpp>

#include <doctest/doctest.h>

using namespace copyspec::detail;

namespace {

struct Overloaded {
  void on_pass(int);
  void on_pass(double);
};
struct Inherited : Overloaded {};
class Private {
  [[maybe_unused]] void on_pass();
};
struct Template {
  template <class T>
  void on_pass(T);
};
struct Value {
  int on_pass;
};
struct Static {
  static void on_pass();
};
struct Final final {
  void on_pass();
};
struct Abstract {
  virtual void on_pass() = 0;
  virtual ~Abstract() = default;
};
struct Nothing {
  void on_passes();
};
struct FinalNothing final {};

}  // namespace

TEST_CASE("a member is seen by its name, whatever it is, and no other is") {
  static_assert(names_on_pass<Overloaded> && names_on_pass<Inherited> && names_on_pass<Private>);
  static_assert(names_on_pass<Template> && names_on_pass<Value> && names_on_pass<Static> && names_on_pass<Final>);
  static_assert(names_on_pass<Abstract>);
  static_assert(!names_on_pass<Nothing> && !names_on_pass<FinalNothing> && !names_reserve<Overloaded>);
  CHECK(names_on_pass<Overloaded>);
}
