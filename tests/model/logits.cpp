// SPDX-License-Identifier: MIT
#include <copyspec/model/logits.hpp>

#include <doctest/doctest.h>

#include <Eigen/Core>
#include <array>
#include <csignal>
#include <cstddef>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#ifndef NDEBUG
#include <sys/wait.h>
#include <unistd.h>
#endif

using copyspec::LogitsView;

namespace {

constexpr std::array<float, 10> numbers = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

#ifndef NDEBUG
struct End {
  bool aborted = false;
  std::string printed;
};

// Runs `action` in a process of its own.
template <class Action>
End end_of(Action action) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  pid_t const child = fork();
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);
    dup2(ends[1], STDERR_FILENO);
    action();
    _exit(0);
  }
  close(ends[1]);
  End end;
  char buffer[256];
  for (ssize_t count; (count = read(ends[0], buffer, sizeof buffer)) > 0;)
    end.printed.append(buffer, static_cast<std::size_t>(count));
  close(ends[0]);
  int status = 0;
  REQUIRE(child > 0);
  REQUIRE(waitpid(child, &status, 0) == child);
  end.aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  return end;
}
#endif

}  // namespace

TEST_CASE("a row begins every stride and is as long as the vocabulary") {
  constexpr LogitsView<float> view(numbers.data(), 3, 2, 4);
  static_assert(view.rows() == 3 && view.vocabulary() == 2 && view.stride() == 4 && view.data() == numbers.data());
  static_assert(view.row(1).size() == 2 && view.row(1).front() == 4.0F);
  for (std::size_t i = 0; i < view.rows(); ++i) {
    CHECK(view.row(i).data() == numbers.data() + 4 * i);
    CHECK(view.row(i).size() == 2);
  }
}

TEST_CASE("without a stride, rows follow each other") {
  LogitsView<float> const view(numbers.data(), 2, 5);
  CHECK(view.stride() == 5);
  CHECK(view.row(1).data() == numbers.data() + 5);
  CHECK(view.row(1).back() == 9.0F);
}

TEST_CASE("a subview is a range of the rows") {
  LogitsView<float> const view(numbers.data(), 3, 2, 4);
  for (std::size_t first = 0; first <= 3; ++first) {
    for (std::size_t count = 0; count <= 3 - first; ++count) {
      LogitsView<float> const part = view.subview(first, count);
      CHECK(part.rows() == count);
      CHECK(part.vocabulary() == 2);
      CHECK(part.stride() == 4);
      for (std::size_t i = 0; i < count; ++i) CHECK(part.row(i).data() == view.row(first + i).data());
    }
  }
  CHECK(view.subview(1, 2).subview(1, 1).row(0).data() == view.row(2).data());
}

TEST_CASE("an empty view has an empty subview") {
  constexpr LogitsView<double> view;
  static_assert(view.data() == nullptr && view.rows() == 0 && view.vocabulary() == 0 && view.stride() == 0);
  CHECK(view.subview(0, 0).rows() == 0);
  CHECK(view.subview(0, 0).data() == nullptr);
}

TEST_CASE_TEMPLATE("a view is passed by value, whatever its scalar", Scalar, float, double, Eigen::half) {
  static_assert(std::is_trivially_copyable_v<LogitsView<Scalar>>);
  static_assert(std::is_same_v<typename LogitsView<Scalar>::Scalar, Scalar>);
  static_assert(std::is_same_v<decltype(LogitsView<Scalar>().row(0)), std::span<Scalar const>>);
  std::vector<Scalar> const data(6, Scalar(1));
  CHECK(LogitsView<Scalar>(data.data(), 2, 3).row(1).back() == Scalar(1));
}

#ifndef NDEBUG
TEST_CASE("a broken precondition aborts and says which") {
  End const end = end_of([] { static_cast<void>(LogitsView<float>(numbers.data(), 2, 5).row(2)); });
  CHECK(end.aborted);
  CHECK(end.printed.find("row out of range") != std::string::npos);
  CHECK(end.printed.find("index < rows_") != std::string::npos);
  CHECK(end.printed.find("logits.hpp") != std::string::npos);

  CHECK(end_of([] { LogitsView<float>(numbers.data(), 2, 5, 4); }).aborted);
  CHECK(end_of([] { static_cast<void>(LogitsView<float>(numbers.data(), 2, 5).subview(1, 2)); }).aborted);
  CHECK(end_of([] { static_cast<void>(LogitsView<float>(numbers.data(), 2, 5).subview(3, 0)); }).aborted);
}

TEST_CASE("a precondition that holds costs nothing but its evaluation") {
  End const end = end_of([] { static_cast<void>(LogitsView<float>(numbers.data(), 2, 5).row(1)); });
  CHECK_FALSE(end.aborted);
  CHECK(end.printed.empty());
}
#endif

TEST_CASE("a row of floats is itself as floats, another one is copied") {
  std::vector<float> space;
  std::vector<float> const floats{1, 2};
  CHECK(copyspec::detail::as_floats(std::span(floats), space).data() == floats.data());
  std::vector<double> const doubles{3, 4.5};
  auto const row = copyspec::detail::as_floats(std::span(doubles), space);
  CHECK(row.data() == space.data());
  CHECK(space == std::vector<float>{3, 4.5F});
}
