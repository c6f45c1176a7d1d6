// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../core/version.hpp"
#include "../detail/float_bits.hpp"
#include "../detail/host_device.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace cuda {

/// The format of a logit in memory.
enum class LogitFormat : std::uint8_t {
  float32,
  float16,   ///< IEEE 754 binary16.
  bfloat16,  ///< The upper half of a float32.
};

/// The format of a scalar type. Specialise it for your own type whose memory layout is one of these formats.
/// `verify_launch.cuh` does so for `__half` and `__nv_bfloat16`.
template <class Scalar>
struct LogitFormatOf;
template <>
struct LogitFormatOf<float> {
  static constexpr LogitFormat value = LogitFormat::float32;
};

}  // namespace cuda
namespace detail {

/// Bytes of a logit.
[[nodiscard]] COPYSPEC_HOST_DEVICE constexpr std::uint32_t scalar_bytes(cuda::LogitFormat format) noexcept {
  return format == cuda::LogitFormat::float32 ? 4 : 2;
}

/// The value of a binary16, exactly.
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float float_from_half(std::uint32_t bits) noexcept {
#if defined(__CUDA_ARCH__)
  float value = 0;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(static_cast<std::uint16_t>(bits)));
  return value;
#else
  // The exponent bias is smaller by 112; the multiplication also normalises subnormal numbers.
  float const magnitude = float_from_bits((bits & 0x7FFFU) << 13U) * float_from_bits(0x77800000U);
  std::uint32_t const special = (bits & 0x7C00U) == 0x7C00U ? 0x7F800000U : 0U;
  return float_from_bits(bits_of_float(magnitude) | special | ((bits & 0x8000U) << 16U));
#endif
}

/// Sixteen bytes of a row, as four words with the lower address in the lower bits.
struct LogitVector {
  std::uint32_t words[4];
};

/// Number of logits in a `LogitVector`.
[[nodiscard]] COPYSPEC_HOST_DEVICE constexpr std::uint32_t vector_length(cuda::LogitFormat format) noexcept {
  return 16 / scalar_bytes(format);
}

/// The logit at `index` < `vector_length(format)`. Branch-free where `index` is a constant.
template <cuda::LogitFormat format>
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float logit_at(LogitVector const& vector, std::uint32_t index) noexcept {
  if constexpr (format == cuda::LogitFormat::float32) {
    return float_from_bits(vector.words[index]);
  } else {
    std::uint32_t const word = vector.words[index / 2];
    if constexpr (format == cuda::LogitFormat::bfloat16)
      return float_from_bits(index % 2 == 0 ? word << 16U : word & 0xFFFF0000U);
    else
      return float_from_half(index % 2 == 0 ? word & 0xFFFFU : word >> 16U);
  }
}

/// The logit at `index` of a row that begins at `row`.
template <cuda::LogitFormat format>
[[nodiscard]] COPYSPEC_HOST_DEVICE inline float logit_in_row(unsigned char const* row, std::size_t index) noexcept {
  if constexpr (format == cuda::LogitFormat::float32) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, row + index * 4, 4);
    return float_from_bits(bits);
  } else {
    std::uint16_t bits = 0;
    std::memcpy(&bits, row + index * 2, 2);
    if constexpr (format == cuda::LogitFormat::bfloat16)
      return float_from_bits(static_cast<std::uint32_t>(bits) << 16U);
    else
      return float_from_half(bits);
  }
}

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
