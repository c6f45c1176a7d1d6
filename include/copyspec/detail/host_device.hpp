// SPDX-License-Identifier: MIT
#pragma once

/// Marks functions shared by host and device: empty for a host compiler, `__host__ __device__` for a CUDA compiler.
#if defined(__CUDACC__)
#define COPYSPEC_HOST_DEVICE __host__ __device__
#else
#define COPYSPEC_HOST_DEVICE
#endif

/// Before a loop that a device compiler must not unroll.
#if defined(__CUDA_ARCH__)
#define COPYSPEC_NO_UNROLL _Pragma("unroll 1")
#else
#define COPYSPEC_NO_UNROLL
#endif
