// SPDX-License-Identifier: MIT
#include <copyspec/mix/detail/shared_account.hpp>

#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "copyspec/core/error.hpp"

using copyspec::detail::SharedAccount;

TEST_CASE("what one draft may lose, no other may, until it is settled") {
  SharedAccount account(6);
  CHECK(account.earn(0.5).left() == 6.5);
  account.stake(2);
  account.stake(3);
  CHECK(account.earn(0).left() == 1.5);
  CHECK(account.account().left() == 6.5);  // nothing is entered yet
  account.settle(2, 4);
  CHECK(account.earn(0).left() == 7.5);
  account.settle(3, -3);
  CHECK(account.earn(0).left() == 7.5);
  CHECK(account.account().balance() == 1.5);
}

TEST_CASE("a credit is a number that is not negative") {
  CHECK_THROWS_AS(SharedAccount(-1), copyspec::Error);
}

TEST_CASE("any number of threads may use it") {
  SharedAccount account(6);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int j = 0; j < 1000; ++j) {
        account.stake(0.25);
        account.settle(0.25, j % 2 == 0 ? 0.5 : -0.5);
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(account.account().balance() == 0);
  CHECK(account.earn(0).left() == 6);
}
