// SPDX-License-Identifier: MIT
// Compiled without sanitizers: what it does itself is no part of the program that they look at.
#include "emulation.hpp"

#include <ucontext.h>

#include <algorithm>
#include <condition_variable>
#include <copyspec/core/version.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#if defined(EMULATION_WITH_THREAD_SANITIZER)
#include <sanitizer/tsan_interface.h>
#endif
#if defined(EMULATION_WITH_ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#endif

// The dynamic shared memory of `verify_kernel`, under the name that it has there.
namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {
constexpr std::size_t most_shared_bytes = 49152;
alignas(16) thread_local std::uint64_t scratch[most_shared_bytes / sizeof(std::uint64_t)];
}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec

namespace emulation {
namespace {

using copyspec::detail::most_shared_bytes;
using copyspec::detail::scratch;

// The thread sanitizer takes what is released at a place to come before what is acquired there.
void release([[maybe_unused]] void* place) {
#if defined(EMULATION_WITH_THREAD_SANITIZER)
  __tsan_release(place);
#endif
}
void acquire([[maybe_unused]] void* place) {
#if defined(EMULATION_WITH_THREAD_SANITIZER)
  __tsan_acquire(place);
#endif
}

// Where a coroutine, or the host's thread that runs them, is to go on.
struct Context {
  void* point[5] = {};
  void* sanitized = nullptr;
};

// A longjmp of the compiler's own, as the library's asks the system each time; it may not stand where its setjmp does.
[[noreturn, gnu::noinline]] void go_on(Context& to) {
  __builtin_longjmp(to.point, 1);
}

[[gnu::noinline]] void change(Context& from, Context& to, ucontext_t const* beginning) {
  if (__builtin_setjmp(from.point) != 0) return;
#if defined(EMULATION_WITH_THREAD_SANITIZER)
  __tsan_switch_to_fiber(to.sanitized, __tsan_switch_to_fiber_no_sync);
#endif
  if (beginning != nullptr) setcontext(beginning);
  go_on(to);
}

struct Thread {
  std::uint32_t index = 0;
  bool begun = false;
  std::uint64_t said = 0;
  Context context;
  ucontext_t beginning = {};
  std::unique_ptr<char[]> stack;
};

struct Grid {
  Position blocks;
  Position threads;
  std::size_t shared_bytes = 0;
  std::function<void()> const* body = nullptr;
  std::vector<std::uint32_t> order;  // Of blocks, if not theirs.
  std::uint64_t count = 0;
  std::atomic<std::uint64_t> next = 0;
};

// A thread of the host, which runs one block after the other.
class Worker {
 public:
  explicit Worker(unsigned seed) : random_(seed) {
#if defined(EMULATION_WITH_THREAD_SANITIZER)
    home_.sanitized = __tsan_get_current_fiber();
#endif
  }

  [[nodiscard]] static Worker& of_this_thread() {
    return *current;
  }
  static thread_local Worker* current;

  void run(Grid& grid) {
    grid_ = &grid;
    for (std::uint64_t i = grid.next++; i < grid.count; i = grid.next++)
      run_block(grid.order.empty() ? i : grid.order[i]);
  }

  [[nodiscard]] Position block() const {
    return block_;
  }
  [[nodiscard]] Grid const& grid() const {
    return *grid_;
  }
  [[nodiscard]] Position thread() const {
    return {running_->index, 0, 0};
  }

  bool meet(bool said, int line) {
    if (ended_ > 0) stop("a barrier that some threads of the block have ended before");
    if (met_ == 0) {
      line_ = line;
      any_said_ = false;
    } else if (line_ != line) {
      stop("a barrier that threads of the block have reached in two places");
    }
    any_said_ = any_said_ || said;
    release(&met_);
    if (met_ + 1 == grid_->threads.x) heard_ = any_said_;
    wait(met_, 0, grid_->threads.x);
    acquire(&met_);
    return heard_;
  }

  [[nodiscard]] std::uint64_t exchange(std::uint64_t said, std::uint32_t distance) {
    std::uint32_t const first = running_->index / 32 * 32;
    std::uint32_t& met = shuffled_[first / 32];
    running_->said = said;
    wait(met, first, first + 32);
    std::uint64_t const heard = threads_[running_->index ^ distance]->said;
    // The next word must not come before all have heard this one. A shuffle orders no memory.
    wait(met, first, first + 32);
    return heard;
  }

  void give_way() {
    std::uint32_t const drawn = random_() / 16 % 64;
    if (drawn == 0) std::this_thread::yield();
    if (drawn % 4 == 1 && !ready_.empty()) {
      ready_.push_back(running_);
      change(running_->context, home_, nullptr);
    }
  }

 private:
  static void begin() {
    for (;;) {
      Worker& worker = of_this_thread();
      acquire(&worker.block_);
      (*worker.grid_->body)();
      release(&worker.ended_);
      ++worker.ended_;
      change(worker.running_->context, worker.home_, nullptr);
    }
  }

  void run_block(std::uint64_t number) {
    Position const blocks = grid_->blocks;
    block_ = {static_cast<std::uint32_t>(number % blocks.x), static_cast<std::uint32_t>(number / blocks.x % blocks.y),
              static_cast<std::uint32_t>(number / blocks.x / blocks.y)};
    std::uint32_t const count = grid_->threads.x;
    while (threads_.size() < count) threads_.push_back(new_thread(static_cast<std::uint32_t>(threads_.size())));
    shuffled_.assign((count + 31) / 32, 0);
    met_ = 0;
    ended_ = 0;
#if defined(EMULATION_WITH_ADDRESS_SANITIZER)
    ASAN_UNPOISON_MEMORY_REGION(scratch, most_shared_bytes);
#endif
    std::memset(scratch, 0xEE, grid_->shared_bytes);
#if defined(EMULATION_WITH_ADDRESS_SANITIZER)
    ASAN_POISON_MEMORY_REGION(reinterpret_cast<char*>(scratch) + grid_->shared_bytes,
                              most_shared_bytes - grid_->shared_bytes);
#endif
    ready_.clear();
    for (std::uint32_t i = 0; i < count; ++i) ready_.push_back(threads_[i].get());
    release(&block_);
    while (ended_ < count) {
      if (ready_.empty()) stop("a barrier or a shuffle that some threads of the block do not reach");
      std::swap(ready_[random_() % ready_.size()], ready_.back());
      running_ = ready_.back();
      ready_.pop_back();
      bool const begun = std::exchange(running_->begun, true);
      change(home_, running_->context, begun ? nullptr : &running_->beginning);
    }
    acquire(&ended_);
  }

  // Until `met` threads of those from `first` to `last` are here.
  void wait(std::uint32_t& met, std::uint32_t first, std::uint32_t last) {
    if (++met < last - first) {
      change(running_->context, home_, nullptr);
      return;
    }
    met = 0;
    for (std::uint32_t i = first; i < last; ++i)
      if (threads_[i].get() != running_) ready_.push_back(threads_[i].get());
  }

  [[nodiscard]] static std::unique_ptr<Thread> new_thread(std::uint32_t index) {
    constexpr std::size_t stack_bytes = 131072;
    auto thread = std::make_unique<Thread>();
    thread->index = index;
    thread->stack = std::make_unique_for_overwrite<char[]>(stack_bytes);
    getcontext(&thread->beginning);
    thread->beginning.uc_stack.ss_sp = thread->stack.get();
    thread->beginning.uc_stack.ss_size = stack_bytes;
    makecontext(&thread->beginning, &begin, 0);
#if defined(EMULATION_WITH_THREAD_SANITIZER)
    thread->context.sanitized = __tsan_create_fiber(0);
#endif
    return thread;
  }

  [[noreturn]] void stop(char const* reason) const {
    std::fprintf(stderr, "block (%u, %u, %u): %s\n", block_.x, block_.y, block_.z, reason);
    std::abort();
  }

  std::minstd_rand random_;
  Context home_;
  Grid* grid_ = nullptr;
  Position block_ = {};
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<Thread*> ready_;
  Thread* running_ = nullptr;
  std::uint32_t ended_ = 0;
  std::uint32_t met_ = 0;
  std::vector<std::uint32_t> shuffled_;
  int line_ = 0;
  bool any_said_ = false;  // Of those who have met so far.
  bool heard_ = false;     // Of the last meeting; there is no other before all have heard it.
};

thread_local Worker* Worker::current = nullptr;

// Runs one grid after the other, and as long as the program.
class Device {
 public:
  static constexpr unsigned workers = 2;

  Device() {
    for (unsigned i = 0; i < workers; ++i) std::thread([this, i] { work(i + 1); }).detach();
  }

  void run(Grid& grid) {
    std::unique_lock lock(mutex_);
    grid_ = &grid;
    busy_ = workers;
    ++launches_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return busy_ == 0; });
  }

 private:
  void work(unsigned seed) {
    Worker::current = new Worker(seed);
    for (std::uint64_t done = 0;; ++done) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return launches_ > done; });
      lock.unlock();
      Worker::current->run(*grid_);
      lock.lock();
      if (--busy_ == 0) changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Grid* grid_ = nullptr;
  std::uint64_t launches_ = 0;
  unsigned busy_ = 0;
};

using Graph = std::vector<std::function<void()>>;
std::unique_ptr<Graph> captured;

void run_grid(dim3 blocks, dim3 threads, std::size_t shared_bytes, std::function<void()> const& body) {
  static Device& device = *new Device;
  static std::minstd_rand random;
  Grid grid;
  grid.blocks = {blocks.x, blocks.y, blocks.z};
  grid.threads = {threads.x, 1, 1};
  grid.shared_bytes = shared_bytes;
  grid.body = &body;
  grid.count = std::uint64_t{blocks.x} * blocks.y * blocks.z;
  if (random() / 16 % 2 == 0) {
    grid.order.resize(grid.count);
    for (std::uint32_t i = 0; i < grid.count; ++i) grid.order[i] = i;
    std::shuffle(grid.order.begin(), grid.order.end(), random);
  }
  device.run(grid);
}

}  // namespace

Position thread_index() {
  return Worker::of_this_thread().thread();
}
Position block_index() {
  return Worker::of_this_thread().block();
}
Position block_size() {
  return Worker::of_this_thread().grid().threads;
}
Position grid_size() {
  return Worker::of_this_thread().grid().blocks;
}
bool meet(bool said, int line) {
  return Worker::of_this_thread().meet(said, line);
}
std::uint64_t exchange(std::uint64_t said, std::uint32_t distance) {
  return Worker::of_this_thread().exchange(said, distance);
}
void give_way() {
  Worker::of_this_thread().give_way();
}

cudaError_t launch(dim3 grid, dim3 block, std::size_t shared_bytes, std::function<void()> f) {
  if (grid.x == 0 || grid.x > 0x7FFFFFFFU || grid.y == 0 || grid.y > 65535 || grid.z == 0 || grid.z > 65535 ||
      block.x == 0 || block.x > 1024 || block.y != 1 || block.z != 1 || shared_bytes > most_shared_bytes)
    return cudaErrorInvalidConfiguration;
  auto run = [=] { run_grid(grid, block, shared_bytes, f); };
  if (captured)
    captured->push_back(run);
  else
    run();
  return cudaSuccess;
}

}  // namespace emulation

// The runtime: memory of the host, and work that is done when a call returns.
extern "C" {

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  if (posix_memalign(memory, 256, std::max<std::size_t>(bytes, 1)) != 0) return cudaErrorMemoryAllocation;
  std::memset(*memory, 0xEE, bytes);
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMallocManaged(void** memory, std::size_t bytes, unsigned) {
  return cudaMalloc(memory, bytes);
}
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  return cudaMalloc(memory, bytes);
}
cudaError_t cudaFreeHost(void* memory) {
  return cudaFree(memory);
}
cudaError_t cudaMemcpy(void* to, void const* from, std::size_t bytes, cudaMemcpyKind) {
  if (bytes > 0) std::memcpy(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, void const* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t) {
  return cudaMemcpy(to, from, bytes, kind);
}
cudaError_t cudaMemset(void* memory, int value, std::size_t bytes) {
  std::memset(memory, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t) {
  return cudaMemset(memory, value, bytes);
}
cudaError_t cudaDeviceSynchronize() {
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = nullptr;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t) {
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
// The only one that is asked for: how many multiprocessors there are.
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = 132;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  return cudaSuccess;
}
char const* cudaGetErrorString(cudaError_t) {
  return "the emulation cannot do this";
}

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  emulation::captured = std::make_unique<emulation::Graph>();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  *graph = reinterpret_cast<cudaGraph_t>(emulation::captured.release());
  return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, std::size_t* count) {
  *count = reinterpret_cast<emulation::Graph*>(graph)->size();
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = reinterpret_cast<cudaGraphExec_t>(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t) {
  for (auto const& launch : *reinterpret_cast<emulation::Graph*>(executable)) launch();
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t) {
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete reinterpret_cast<emulation::Graph*>(graph);
  return cudaSuccess;
}
}
