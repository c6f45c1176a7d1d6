// SPDX-License-Identifier: MIT
#include <copyspec/recovery.hpp>

#include <doctest/doctest.h>

using copyspec::with_recovery;

TEST_CASE("what an action throws goes on after the recovery") {
  int recovered = 0;
  CHECK_THROWS_AS(with_recovery([] { throw 7; }, [&] { ++recovered; }), int);
  CHECK(recovered == 1);
}

TEST_CASE("an action that ends by itself needs no recovery") {
  int recovered = 0;
  int done = 0;
  with_recovery([&] { ++done; }, [&] { ++recovered; });
  CHECK(done == 1);
  CHECK(recovered == 0);
}
