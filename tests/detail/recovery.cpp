// SPDX-License-Identifier: MIT
#include <copyspec/detail/recovery.hpp>

#include <doctest/doctest.h>

using copyspec::detail::with_recovery;

TEST_CASE("what an action throws goes on after the recovery") {
  int recovered = 0;
  CHECK_THROWS_AS(with_recovery([] { throw 7; }, [&] { ++recovered; }), int);
  CHECK(recovered == 1);
}

TEST_CASE("an exception that need not go on ends with the recovery") {
  int recovered = 0;
  CHECK_FALSE(with_recovery([] { throw 7; }, [&] { ++recovered; }, false));
  CHECK(recovered == 1);
}

TEST_CASE("an action that ends by itself needs no recovery") {
  int recovered = 0;
  int done = 0;
  CHECK(with_recovery([&] { ++done; }, [&] { ++recovered; }));
  CHECK(with_recovery([&] { ++done; }, [&] { ++recovered; }, false));
  CHECK(done == 2);
  CHECK(recovered == 0);
}
