// SPDX-License-Identifier: MIT
#include "engine.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ggml-backend.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "copyspec/core/error.hpp"

namespace copyspec_llama {
namespace {

namespace fs = std::filesystem;

// llama.cpp logs through a plain function, so what it says is kept in the program's only global.
std::string first_engine_error;

void keep_first_error(ggml_log_level level, char const* text, void*) {
  if (level != GGML_LOG_LEVEL_ERROR || !first_engine_error.empty()) return;
  std::string_view const line = text;
  first_engine_error = line.substr(0, line.find('\n'));
}

// Looks before llama.cpp does, which says of any failure only that the model was not loaded.
void check_readable(fs::path const& file) {
  std::error_code error;
  fs::file_status const status = fs::status(file, error);
  if (!fs::exists(status))
    copyspec::raise_error(copyspec::ErrorCode::file, fmt::format("there is no file {}", file.string()));
  if (fs::is_directory(status))
    copyspec::raise_error(copyspec::ErrorCode::file, fmt::format("{} is a folder, not a GGUF file", file.string()));
  std::ifstream stream(file, std::ios::binary);
  if (!stream) copyspec::raise_error(copyspec::ErrorCode::file, fmt::format("{} cannot be read", file.string()));
  std::array<char, 4> magic{};
  if (!stream.read(magic.data(), magic.size()) || std::string_view(magic.data(), magic.size()) != "GGUF")
    copyspec::raise_error(copyspec::ErrorCode::file, fmt::format("{} is not a GGUF file", file.string()));
}

// Whether anything listens at an address.
bool can_connect(std::string const& host, std::string const& port) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), port.c_str(), &wanted, &found) != 0) return false;
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> const addresses(found, freeaddrinfo);
  for (addrinfo const* address = found; address != nullptr; address = address->ai_next) {
    int const connection = socket(address->ai_family, address->ai_socktype, address->ai_protocol);
    if (connection < 0) continue;
    bool const connected = connect(connection, address->ai_addr, address->ai_addrlen) == 0;
    close(connection);
    if (connected) return true;
  }
  return false;
}

// llama.cpp aborts the process where a worker cannot be reached, so it is waited for before.
void wait_for_worker(std::string const& worker, Progress& progress) {
  std::size_t const colon = worker.rfind(':');
  std::string const host = worker.substr(0, colon);
  if (colon == std::string::npos || host.empty() || colon + 1 == worker.size())
    copyspec::raise_error(copyspec::ErrorCode::bad_options, fmt::format("a worker is host:port, not {}", worker));
  progress.begin(fmt::format("waiting for the worker {}", worker));
  for (int attempt = 0; attempt < 240; ++attempt) {
    if (can_connect(host, worker.substr(colon + 1))) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
  }
  copyspec::raise_error(copyspec::ErrorCode::engine, fmt::format("the worker {} cannot be reached", worker));
}

void use_workers(std::vector<std::string> const& workers, Progress& progress) {
  using AddServer = ggml_backend_reg_t (*)(char const*);
  for (std::string const& worker : workers) {
    wait_for_worker(worker, progress);
    auto const add = rpc_function<AddServer>("ggml_backend_rpc_add_server");
    ggml_backend_register(add(worker.c_str()));
  }
}

bool show_loaded(float share, void* progress) {
  static_cast<Progress*>(progress)->update(fmt::format("{:.0f} %", 100 * share));
  return true;
}

// A file that is removed unless it was renamed to where it belongs.
class PartialFile {
 public:
  explicit PartialFile(fs::path target)
      : target_(std::move(target)), path_(fmt::format("{}.{}.partial", target_.string(), getpid())) {}
  PartialFile(PartialFile const&) = delete;
  PartialFile& operator=(PartialFile const&) = delete;
  ~PartialFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }

  [[nodiscard]] fs::path const& path() const noexcept { return path_; }

  void finish() const {
    std::error_code error;
    fs::rename(path_, target_, error);
    if (error)
      copyspec::raise_error(copyspec::ErrorCode::file,
                            fmt::format("cannot write {}: {}", target_.string(), error.message()));
  }

 private:
  fs::path target_;
  fs::path path_;
};

}  // namespace

void silence_engine_log() {
  llama_log_set(keep_first_error, nullptr);
}

std::string take_engine_error() {
  return std::exchange(first_engine_error, {});
}

ModelPointer load_vocabulary(fs::path const& file) {
  check_readable(file);
  llama_model_params parameters = llama_model_default_params();
  parameters.vocab_only = true;
  ModelPointer model(llama_model_load_from_file(file.c_str(), parameters));
  if (!model) copyspec::raise_error(copyspec::ErrorCode::file, fmt::format("{} cannot be loaded", file.string()));
  return model;
}

Engine::Engine(fs::path const& file, EngineOptions const& options, Progress& progress)
    : parameters_(llama_context_default_params()) {
  check_readable(file);
  use_workers(options.workers, progress);
  progress.begin(fmt::format("loading {}", file.filename().string()));
  llama_model_params model_params = llama_model_default_params();
  model_params.progress_callback = show_loaded;
  model_params.progress_callback_user_data = &progress;
  model_.reset(llama_model_load_from_file(file.c_str(), model_params));
  if (!model_) copyspec::raise_error(copyspec::ErrorCode::file, fmt::format("{} cannot be loaded", file.string()));

  std::int32_t const trained = llama_model_n_ctx_train(model_.get());
  parameters_.n_ctx = static_cast<std::uint32_t>(options.context);
  parameters_.n_seq_max = static_cast<std::uint32_t>(options.sequences);
  // So that what several sequences feed is one pass.
  parameters_.kv_unified = true;
  if (trained > 0)
    parameters_.n_ctx = std::min(parameters_.n_ctx, static_cast<std::uint32_t>(trained) * parameters_.n_seq_max);
  parameters_.type_k = parameters_.type_v = options.cache;
  parameters_.n_batch = static_cast<std::uint32_t>(options.batch);
  parameters_.n_threads = static_cast<std::int32_t>(options.threads);
  parameters_.n_threads_batch = parameters_.n_threads;
  // Drafts are taken back, which a cache cut to a sliding window does not allow.
  parameters_.swa_full = true;
  context_.reset(llama_init_from_model(model_.get(), parameters_));
  if (!context_)
    copyspec::raise_error(
        copyspec::ErrorCode::file,
        fmt::format("llama.cpp cannot make a context of {} tokens for {}; --context makes a smaller one",
                    parameters_.n_ctx, file.string()));
  progress.clear();
}

std::string Engine::description() const {
  std::array<char, 256> text{};
  llama_model_desc(model_.get(), text.data(), text.size());
  return text.data();
}

copyspec::PassCostKey Engine::pass_cost_key(fs::path const& file, std::size_t threads) const {
  std::vector<std::string> devices;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i)
    devices.emplace_back(ggml_backend_dev_description(ggml_backend_dev_get(i)));
  std::string_view const system = llama_print_system_info();
  return {
      .model = fmt::format("{}, {} bytes", file.filename().string(), fs::file_size(file)),
      .device = fmt::format("{}", fmt::join(devices, "; ")),
      .engine = fmt::format("ggml {} ({}), {}", ggml_version(), ggml_commit(), system.substr(0, system.rfind(" |"))),
      .weights = parameters_.type_k == GGML_TYPE_F16
                     ? description()
                     : fmt::format("{}, cache {}", description(), ggml_type_name(parameters_.type_k)),
      .threads = threads};
}

fs::path f32_copy(fs::path const& file, std::size_t threads, Progress& progress) {
  check_readable(file);
  fs::path copy = file;
  copy.replace_extension(".f32.gguf");
  std::error_code error;
  if (fs::exists(copy, error) && fs::last_write_time(copy, error) >= fs::last_write_time(file, error) && !error)
    return copy;

  progress.begin(fmt::format("writing {}, once", copy.string()));
  PartialFile const partial(copy);
  if (!std::ofstream(partial.path()))
    copyspec::raise_error(copyspec::ErrorCode::file,
                          fmt::format("cannot write {}: the F32 copy is kept next to the model", copy.string()));
  llama_model_quantize_params params = llama_model_quantize_default_params();
  params.nthread = static_cast<std::int32_t>(threads);
  params.ftype = LLAMA_FTYPE_ALL_F32;
  params.allow_requantize = true;
  if (llama_model_quantize(file.c_str(), partial.path().c_str(), &params) != 0)
    copyspec::raise_error(copyspec::ErrorCode::file, fmt::format("{} cannot be converted to F32", file.string()));
  partial.finish();
  progress.clear();
  return copy;
}

}  // namespace copyspec_llama
