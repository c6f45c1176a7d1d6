// SPDX-License-Identifier: MIT
#include <copyspec/cuda/logit_format.hpp>

#include <doctest/doctest.h>

#include <Eigen/Core>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

using copyspec::cuda::LogitFormat;
using copyspec::cuda::LogitFormatOf;
using copyspec::detail::bits_of_float;
using copyspec::detail::float_from_half;
using copyspec::detail::logit_at;
using copyspec::detail::logit_in_row;
using copyspec::detail::LogitVector;
using copyspec::detail::scalar_bytes;
using copyspec::detail::vector_length;

static_assert(LogitFormatOf<float>::value == LogitFormat::float32);
static_assert(vector_length(LogitFormat::float32) == 4 && vector_length(LogitFormat::bfloat16) == 8);
static_assert(scalar_bytes(LogitFormat::float16) == 2);
static_assert(sizeof(LogitVector) == 16);

TEST_CASE("every half has its value") {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    CAPTURE(bits);
    auto const expected = static_cast<float>(Eigen::numext::bit_cast<Eigen::half>(static_cast<std::uint16_t>(bits)));
    float const value = float_from_half(bits);
    REQUIRE(std::isnan(value) == std::isnan(expected));
    if (!std::isnan(expected)) REQUIRE(bits_of_float(value) == bits_of_float(expected));
  }
}

TEST_CASE("a vector has the logits that lie in it, in the order of their addresses") {
  std::uint16_t const brains[8] = {0x3F80, 0x4000, 0xBF80, 0, 0x8000, 0x7F80, 0x4040, 0x3F00};
  float const values[8] = {1, 2, -1, 0, -0.0F, std::numeric_limits<float>::infinity(), 3, 0.5F};
  auto const vector = std::bit_cast<LogitVector>(brains);
  std::uint16_t const halves[8] = {0x3C00, 0x4000, 0xBC00, 0, 0x8000, 0x7C00, 0x4200, 0x3800};
  auto const half_vector = std::bit_cast<LogitVector>(halves);
  for (std::uint32_t i = 0; i < 8; ++i) {
    CAPTURE(i);
    CHECK(logit_at<LogitFormat::bfloat16>(vector, i) == values[i]);
    CHECK(logit_at<LogitFormat::float16>(half_vector, i) == values[i]);
    CHECK(logit_in_row<LogitFormat::bfloat16>(reinterpret_cast<unsigned char const*>(brains), i) == values[i]);
    CHECK(logit_in_row<LogitFormat::float16>(reinterpret_cast<unsigned char const*>(halves), i) == values[i]);
  }
  float const floats[4] = {1, -2, 3, 4};
  auto const float_vector = std::bit_cast<LogitVector>(floats);
  for (std::uint32_t i = 0; i < 4; ++i) {
    CHECK(logit_at<LogitFormat::float32>(float_vector, i) == floats[i]);
    CHECK(logit_in_row<LogitFormat::float32>(reinterpret_cast<unsigned char const*>(floats), i) == floats[i]);
  }
}
