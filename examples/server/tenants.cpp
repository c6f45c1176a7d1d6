// SPDX-License-Identifier: MIT
#include "tenants.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "api_error.hpp"
#include "copyspec/core/error.hpp"
#include "copyspec/mix/history.hpp"
#include "copyspec/mix/history_file.hpp"

namespace copyspec_server {
namespace {

constexpr std::string_view extension = ".history";

// A file name for any name: its bytes as hexadecimal digits.
std::string file_name(std::string_view name) {
  std::string digits;
  for (char const byte : name) digits += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return digits.append(extension);
}

// The name that a file name stands for, or nothing.
std::string name_of(std::string_view file) {
  std::string name;
  if (!file.ends_with(extension)) return name;
  file.remove_suffix(extension.size());
  for (; file.size() >= 2; file.remove_prefix(2)) {
    unsigned char byte = 0;
    auto const [end, error] = std::from_chars(file.data(), file.data() + 2, byte, 16);
    if (error != std::errc() || end != file.data() + 2) return {};
    name += static_cast<char>(byte);
  }
  return file.empty() ? name : std::string();
}

}  // namespace

Tenants::Tenants(TenantsOptions options) : options_(std::move(options)) {
  if (options_.folder.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(options_.folder, error);
  if (!std::filesystem::is_directory(options_.folder))
    copyspec::raise_error(copyspec::ErrorCode::file, options_.folder.string() + ": is no folder, and cannot be made");
  for (auto const& entry : std::filesystem::directory_iterator(options_.folder)) {
    std::string const name = name_of(entry.path().filename().string());
    if (name.empty()) continue;
    auto scope = make_scope();
    std::vector<float> const learnt = copyspec::HistoryFile::load(entry.path().string(), *scope->history());
    if (!learnt.empty()) scope->set_learnt(learnt, entry.path().string());
    tenants_.emplace(name, Entry{.scope = std::move(scope), .seen = ++seen_});
  }
}

std::shared_ptr<copyspec::MixingScope> Tenants::make_scope() const {
  if (options_.history == HistoryOf::nobody) return std::make_shared<copyspec::MixingScope>();
  return std::make_shared<copyspec::MixingScope>(std::make_shared<copyspec::History>(options_.history_bytes));
}

std::filesystem::path Tenants::file_of(std::string const& name) const {
  return options_.folder / file_name(name);
}

Tenant Tenants::of(std::string const& holder, std::string const& user) {
  // A name of a key has no space, so no two pairs make one name.
  std::string const name = options_.history == HistoryOf::user ? holder + ' ' + user : holder;
  // A file name has two digits a byte, and 255 bytes with its ending and with that of the file that replaces it.
  if (name.size() > 112)
    throw ApiError::bad_request("user is too long: with the name of the key, it may have 112 bytes here", "user");
  std::lock_guard const lock(mutex_);
  auto found = tenants_.find(name);
  if (found == tenants_.end()) {
    if (tenants_.size() >= options_.most)
      tenants_.erase(std::min_element(tenants_.begin(), tenants_.end(),
                                      [](auto const& a, auto const& b) { return a.second.seen < b.second.seen; }));
    found = tenants_.emplace(name, Entry{.scope = make_scope()}).first;
  }
  found->second.seen = ++seen_;
  return {.name = name, .scope = found->second.scope};
}

void Tenants::save() const {
  if (options_.folder.empty()) return;
  std::lock_guard const lock(mutex_);
  for (auto const& [name, entry] : tenants_)
    copyspec::HistoryFile::save(file_of(name).string(), *entry.scope->history(), entry.scope->learnt());
}

}  // namespace copyspec_server
