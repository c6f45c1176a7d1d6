// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "completion.hpp"
#include "copyspec/mix/mixing_scope.hpp"

namespace copyspec_server {

/// Whose answers a tenant's answers may be copied from, beside their own context.
enum class HistoryOf : std::uint8_t {
  nobody,  ///< There is no history.
  key,     ///< Those to requests with the same API key.
  user,    ///< Those to requests with the same API key and the same `user` field.
};

struct TenantsOptions {
  HistoryOf history = HistoryOf::nobody;
  std::size_t history_bytes = std::size_t{16} << 20;  ///< Of one tenant.
  std::size_t most = 64;                              ///< Tenants remembered; the one not seen for longest is dropped.
  std::filesystem::path folder;                       ///< Where histories are kept from one run to the next, if named.
};

/// The tenants of a server, each with a scope of its own, so that no token of one reaches the drafts of another.
/// Threads: any number of calls.
class Tenants {
 public:
  /// Loads what `save` wrote. Throws `copyspec::Error` for a folder or a file that cannot be used.
  explicit Tenants(TenantsOptions options);

  /// The tenant of a request from the holder of a key, with this `user` field. Throws `ApiError` for a field that is
  /// too long to name a history.
  [[nodiscard]] Tenant of(std::string const& holder, std::string const& user);

  /// Writes all histories, if a folder is named. Throws `copyspec::Error`.
  void save() const;

 private:
  struct Entry {
    std::shared_ptr<copyspec::MixingScope> scope;
    std::uint64_t seen = 0;
  };

  [[nodiscard]] std::shared_ptr<copyspec::MixingScope> make_scope() const;
  [[nodiscard]] std::filesystem::path file_of(std::string const& name) const;

  TenantsOptions options_;
  std::mutex mutable mutex_;
  std::map<std::string, Entry> tenants_;  // by name
  std::uint64_t seen_ = 0;
};

}  // namespace copyspec_server
