// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "../../core/version.hpp"
#include "../logit_format.hpp"
#include "running_best.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

/// A thread block as the team that `verify_tile` describes. A block is one-dimensional and has `size` threads, a
/// multiple of 32. The leader is thread 0; the scratch memory is the kernel's dynamic shared memory.
template <std::uint32_t threads>
class BlockTeam {
  static_assert(threads % 32 == 0 && threads >= 32 && threads <= 1024);

 public:
  __device__ BlockTeam(void* scratch, BestWord* warp_words, std::uint32_t* told) noexcept
      : scratch_(scratch), warp_words_(warp_words), told_(told) {}

  [[nodiscard]] __device__ static constexpr std::uint32_t size() noexcept { return threads; }
  [[nodiscard]] __device__ void* scratch() const noexcept { return scratch_; }

  template <class Function>
  __device__ void each(Function&& function) {
    function(threadIdx.x);
    __syncthreads();
  }

  template <class Function>
  [[nodiscard]] __device__ bool any(Function&& function) {
    return __syncthreads_or(function(threadIdx.x) ? 1 : 0) != 0;
  }

  template <class Function>
  [[nodiscard]] __device__ std::uint64_t sum(Function&& function) {
    std::uint64_t sum = function(threadIdx.x);
    for (std::uint32_t distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(0xFFFFFFFFU, sum, distance);
    if (threadIdx.x % 32 == 0) warp_words_[threadIdx.x / 32] = sum;
    __syncthreads();
    sum = 0;
    for (std::uint32_t warp = 0; warp < threads / 32; ++warp) sum += warp_words_[warp];
    // The next words must not be written before all threads have read these.
    __syncthreads();
    return sum;
  }

  // Two of these in a row would need a barrier between them, which every other step has.
  template <class Function>
  [[nodiscard]] __device__ BestWord greatest(Function&& function) {
    BestWord word = within_warp(function(threadIdx.x));
    if (threadIdx.x % 32 == 0) warp_words_[threadIdx.x / 32] = word;
    __syncthreads();
    if (threadIdx.x < 32) word = within_warp(threadIdx.x < threads / 32 ? warp_words_[threadIdx.x] : nothing_seen);
    return word;
  }

  template <class Function>
  __device__ std::uint32_t lead(Function&& function) {
    if (threadIdx.x == 0) *told_ = function();
    __syncthreads();
    std::uint32_t const told = *told_;
    // The next word must not be written before all threads have read this one.
    __syncthreads();
    return told;
  }

  // Each logit is read once, hence the streaming load.
  [[nodiscard]] __device__ static LogitVector vector(unsigned char const* address) noexcept {
    uint4 const words = __ldcs(reinterpret_cast<uint4 const*>(address));
    return {{words.x, words.y, words.z, words.w}};
  }

  __device__ static void maximise(BestWord* place, BestWord word) noexcept {
    static_assert(sizeof(unsigned long long) == sizeof(BestWord));
    atomicMax(reinterpret_cast<unsigned long long*>(place), static_cast<unsigned long long>(word));
  }

  [[nodiscard]] __device__ static std::uint32_t count_up(std::uint32_t* place) noexcept { return atomicAdd(place, 1U); }

  [[nodiscard]] __device__ static bool arrive(std::uint32_t* place, std::uint32_t count) noexcept {
    // The fence before makes this block's writes visible to the last block; the fence after makes other blocks' writes
    // visible to the last.
    __threadfence();
    bool const last = atomicInc(place, count - 1) == count - 1;
    __threadfence();
    return last;
  }

  // Bypasses the L1 cache, which other multiprocessors do not write to.
  template <class Word>
  [[nodiscard]] __device__ static Word read(Word const* place) noexcept {
    return __ldcg(place);
  }
  [[nodiscard]] __device__ static BestWord read(BestWord const* place) noexcept {
    return __ldcg(reinterpret_cast<unsigned long long const*>(place));
  }
  template <class Word>
  __device__ static void write(Word* place, Word word) noexcept {
    __stcg(place, word);
  }
  __device__ static void write(BestWord* place, BestWord word) noexcept {
    __stcg(reinterpret_cast<unsigned long long*>(place), static_cast<unsigned long long>(word));
  }

 private:
  [[nodiscard]] __device__ static BestWord within_warp(BestWord word) noexcept {
    for (std::uint32_t distance = 16; distance > 0; distance /= 2) {
      BestWord const other = __shfl_xor_sync(0xFFFFFFFFU, word, distance);
      word = other > word ? other : word;
    }
    return word;
  }

  void* scratch_;
  BestWord* warp_words_;
  std::uint32_t* told_;
};

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
