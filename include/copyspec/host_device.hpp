// SPDX-License-Identifier: MIT
#pragma once

/// Marks what host and device share: nothing for a host compiler, `__host__ __device__` for a CUDA compiler.
#if defined(__CUDACC__)
#define COPYSPEC_HOST_DEVICE __host__ __device__
#else
#define COPYSPEC_HOST_DEVICE
#endif
