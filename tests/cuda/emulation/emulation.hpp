// SPDX-License-Identifier: MIT
#pragma once

// What kernels take from CUDA, for a host's compiler: included before all else of a source that is compiled so, in
// place of what nvcc builds in. Types, views of halves and names of errors are those of the toolkit's own headers.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

/// The threads of a block take turns on one thread of the host, as coroutines that give way where they wait for each
/// other, and here and there at atomics; several blocks run at once. What a program may not rely on is drawn anew each
/// time: in which order blocks begin, and which thread goes on. Dynamic shared memory holds nothing of use when a block
/// begins; static shared memory, what the block before it has left.
///
/// A block that cannot go on, because not all its threads reach a barrier, or a warp's a shuffle, or that reaches a
/// barrier in two places at once, ends the program with a message. A launch has ended when it returns; streams are all
/// one. Built with `-fsanitize=thread`, it finds accesses that no barrier orders; as that sanitizer knows no fences,
/// `atomicInc` orders what they order.
namespace emulation {

struct Position {
  std::uint32_t x, y, z;
};

[[nodiscard]] Position thread_index();
[[nodiscard]] Position block_index();
[[nodiscard]] Position block_size();
[[nodiscard]] Position grid_size();

/// `f()` in each thread of a grid; or, while a graph is captured, when that is launched.
[[nodiscard]] cudaError_t launch(dim3 grid, dim3 block, std::size_t shared_bytes, std::function<void()> f);

/// Waits for all threads of the block, at the barrier in this line; whether one of them said so.
bool meet(bool said, int line);

/// What the thread of the warp said whose lane differs in the bits of `distance`.
[[nodiscard]] std::uint64_t exchange(std::uint64_t said, std::uint32_t distance);

/// Lets others go on, or not.
void give_way();

template <Position (*position)()>
struct Index {
  struct X {
    operator std::uint32_t() const { return position().x; }
  } x;
  struct Y {
    operator std::uint32_t() const { return position().y; }
  } y;
  struct Z {
    operator std::uint32_t() const { return position().z; }
  } z;
};

template <class... Parameters, class... Arguments>
[[nodiscard]] cudaError_t launch_kernel(cudaLaunchConfig_t const* config, void (*kernel)(Parameters...),
                                        Arguments&&... arguments) {
  return launch(config->gridDim, config->blockDim, config->dynamicSmemBytes, [=] { kernel(arguments...); });
}

template <class T>
[[nodiscard]] std::atomic_ref<T> shared_word(T const* place) {
  give_way();
  return std::atomic_ref<T>(*const_cast<T*>(place));
}

}  // namespace emulation

#undef __shared__
#undef __launch_bounds__
#define __shared__ thread_local
#define __launch_bounds__(...)
#define cudaLaunchKernelEx emulation::launch_kernel

inline constexpr emulation::Index<&emulation::thread_index> threadIdx{};
inline constexpr emulation::Index<&emulation::block_index> blockIdx{};
inline constexpr emulation::Index<&emulation::block_size> blockDim{};
inline constexpr emulation::Index<&emulation::grid_size> gridDim{};

inline void __syncthreads(int line = __builtin_LINE()) {
  emulation::meet(false, line);
}

inline int __syncthreads_or(int said, int line = __builtin_LINE()) {
  return emulation::meet(said != 0, line) ? 1 : 0;
}

template <class Word>
Word __shfl_xor_sync(unsigned /*all*/, Word word, unsigned distance) {
  return static_cast<Word>(emulation::exchange(word, distance));
}

inline void __threadfence() {
#if !defined(__SANITIZE_THREAD__)
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

inline unsigned atomicAdd(unsigned* place, unsigned value) {
  return emulation::shared_word(place).fetch_add(value, std::memory_order_relaxed);
}

inline unsigned atomicInc(unsigned* place, unsigned last) {
#if defined(__SANITIZE_THREAD__)
  constexpr auto order = std::memory_order_acq_rel;
#else
  constexpr auto order = std::memory_order_relaxed;
#endif
  auto const word = emulation::shared_word(place);
  unsigned before = word.load(std::memory_order_relaxed);
  while (!word.compare_exchange_weak(before, before >= last ? 0 : before + 1, order, std::memory_order_relaxed)) {
  }
  return before;
}

inline unsigned long long atomicMax(unsigned long long* place, unsigned long long value) {
  auto const word = emulation::shared_word(place);
  unsigned long long before = word.load(std::memory_order_relaxed);
  while (before < value && !word.compare_exchange_weak(before, value, std::memory_order_relaxed)) {
  }
  return before;
}

template <class Word>
Word __ldcg(Word const* place) {
  return emulation::shared_word(place).load(std::memory_order_relaxed);
}

template <class Word>
void __stcg(Word* place, Word word) {
  emulation::shared_word(place).store(word, std::memory_order_relaxed);
}

inline uint4 __ldcs(uint4 const* place) {
  return *place;
}
