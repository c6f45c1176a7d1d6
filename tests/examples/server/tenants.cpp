// SPDX-License-Identifier: MIT
#include "examples/server/tenants.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "copyspec/core/error.hpp"
#include "copyspec/core/token.hpp"
#include "copyspec/mix/history.hpp"
#include "copyspec/mix/mixing_scope.hpp"
#include "examples/server/api_error.hpp"
#include "support/error_of.hpp"
#include "support/random.hpp"
#include "support/temporary_folder.hpp"
#include "support/tokens.hpp"

using copyspec::MixingScope;
using copyspec_server::ApiError;
using copyspec_server::HistoryOf;
using copyspec_server::Tenant;
using copyspec_server::Tenants;
using copyspec_server::TenantsOptions;
using copyspec_test::any_tokens;
using copyspec_test::error_of;
using copyspec_test::Random;
using copyspec_test::TemporaryFolder;
using copyspec_test::Tokens;

namespace {

std::shared_ptr<copyspec::History> history_of(Tenant const& tenant) {
  std::shared_ptr<MixingScope> const scope = MixingScope::of(tenant.scope);
  REQUIRE(scope != nullptr);
  return scope->history();
}

// All requests that a tenant's history holds.
std::vector<Tokens> requests_of(Tenant const& tenant) {
  std::vector<Tokens> requests;
  auto const history = history_of(tenant);
  history->for_each_request([&](std::size_t begin, std::size_t end) {
    requests.emplace_back();
    for (; begin < end; ++begin) requests.back().push_back(history->token(begin));
  });
  return requests;
}

TenantsOptions small(HistoryOf kind, std::filesystem::path folder = {}) {
  return {.history = kind, .history_bytes = std::size_t{1} << 16, .most = 1000, .folder = std::move(folder)};
}

// Users whose names are no file names.
std::vector<std::string> odd_users() {
  std::vector<std::string> users{
      "",  " ",    ".",  "..",    "../../etc/passwd", "/",  "a/b", "a b",  "A",   "a",         "\n",    "a\nb", "*",
      "~", "-",    "\\", "é",     "\xff\xfe",         ".x", "x.",  "6120", "CON", "a.history", "$HOME", "\"",   "'",
      "|", "a  b", "a ", "%2e%2e"};
  users.emplace_back("a\0b", 3);
  users.emplace_back("\0", 1);
  return users;
}

}  // namespace

TEST_CASE("without histories, tenants are told apart by their keys and have scopes of their own") {
  Tenants tenants(small(HistoryOf::nobody));
  Tenant const a = tenants.of("a", "x"), again = tenants.of("a", "y"), b = tenants.of("b", "x");
  CHECK(a.scope == again.scope);
  CHECK(a.name == again.name);
  CHECK(a.scope != b.scope);
  CHECK(a.name != b.name);
  CHECK(history_of(a) == nullptr);
}

TEST_CASE("a history is of a key, or of a key and a user, and no two share one") {
  for (HistoryOf const kind : {HistoryOf::key, HistoryOf::user}) {
    Tenants tenants(small(kind));
    std::map<std::string, std::shared_ptr<copyspec::History>> by_name;
    for (std::string const holder : {"a", "b", "ab", "a.b"})
      for (std::string const& user : odd_users()) {
        Tenant const tenant = tenants.of(holder, user);
        CHECK(tenants.of(holder, user).scope == tenant.scope);
        REQUIRE(history_of(tenant) != nullptr);
        auto const [at, added] = by_name.emplace(tenant.name, history_of(tenant));
        CHECK(at->second == history_of(tenant));
        for (auto const& [name, history] : by_name)
          if (name != tenant.name) CHECK(history != history_of(tenant));
      }
    CHECK(by_name.size() == (kind == HistoryOf::key ? 4 : 4 * odd_users().size()));
  }
}

TEST_CASE("what one tenant leaves is not in the history of another") {
  Tenants tenants(small(HistoryOf::user));
  Random random(1);
  std::map<std::string, std::vector<Tokens>> left;
  std::vector<std::string> const users = odd_users();
  for (int round = 0; round < 200; ++round) {
    std::string const& user = users[random.below(users.size())];
    Tokens const request = any_tokens(random, 100, random.between(1, 20));
    history_of(tenants.of("a", user))->append(request);
    left[user].push_back(request);
  }
  for (std::string const& user : users) {
    CHECK(requests_of(tenants.of("a", user)) == left[user]);
    CHECK(requests_of(tenants.of("b", user)).empty());
  }
}

TEST_CASE("histories are saved and loaded by folder, whatever the users are called") {
  for (HistoryOf const kind : {HistoryOf::key, HistoryOf::user}) {
    TemporaryFolder const parent;
    std::filesystem::path const folder = parent.path / "not" / "there yet";
    Random random(2);
    std::map<std::pair<std::string, std::string>, std::vector<Tokens>> left;
    {
      Tenants tenants(small(kind, folder));
      for (std::string const holder : {"a", "b"})
        for (std::string const& user : kind == HistoryOf::key ? std::vector<std::string>{""} : odd_users()) {
          Tokens const request = any_tokens(random, 1000, random.between(1, 50));
          history_of(tenants.of(holder, user))->append(request);
          left[{holder, user}].push_back(request);
        }
      tenants.save();
      tenants.save();
    }
    // All files are in the folder, one for each, with plain names.
    std::size_t files = 0;
    for (auto const& entry : std::filesystem::recursive_directory_iterator(parent.path)) {
      if (!entry.is_regular_file()) continue;
      ++files;
      CHECK(entry.path().parent_path() == folder);
      std::string const name = entry.path().filename().string();
      CHECK(name.find_first_not_of("0123456789abcdef") == name.find(".history"));
    }
    CHECK(files == left.size());
    Tenants tenants(small(kind, folder));
    for (auto const& [who, requests] : left) CHECK(requests_of(tenants.of(who.first, who.second)) == requests);
    CHECK(requests_of(tenants.of("c", "")).empty());
  }
}

TEST_CASE("a user that is too long to name a history is refused by its name, and any other can be saved") {
  TemporaryFolder const folder;
  std::size_t longest = 0;
  {
    Tenants tenants(small(HistoryOf::user, folder.path));
    for (std::size_t size = 1; size < 300; ++size) {
      bool taken = true;
      try {
        history_of(tenants.of("me", std::string(size, 'x')))->append(Tokens{1, static_cast<int>(size)});
      } catch (ApiError const& error) {
        taken = false;
        CHECK(error.status() == 400);
        CHECK(error.body().find("\"param\":\"user\"") != std::string::npos);
      }
      if (taken) {
        CHECK(longest == size - 1);
        longest = size;
      }
    }
    CHECK(longest >= 64);
    CHECK(error_of<copyspec::Error>([&] { tenants.save(); }).empty());
  }
  Tenants tenants(small(HistoryOf::user, folder.path));
  for (std::size_t size = 1; size <= longest; ++size)
    CHECK_MESSAGE(requests_of(tenants.of("me", std::string(size, 'x'))).size() == 1, size);
}

TEST_CASE("the tenant that was not seen for longest is forgotten first") {
  TenantsOptions options = small(HistoryOf::user);
  options.most = 3;
  Tenants tenants(options);
  for (std::string const user : {"a", "b", "c"}) history_of(tenants.of("k", user))->append(Tokens{1});
  static_cast<void>(tenants.of("k", "a"));
  Tenant const kept = tenants.of("k", "b");
  static_cast<void>(tenants.of("k", "d"));
  CHECK(requests_of(tenants.of("k", "a")).size() == 1);
  CHECK(requests_of(tenants.of("k", "b")).size() == 1);
  CHECK(requests_of(tenants.of("k", "c")).empty());
  // Whoever holds it may go on with it.
  for (std::string const user : {"e", "f", "g"}) static_cast<void>(tenants.of("k", user));
  CHECK(requests_of(kept).size() == 1);
}

TEST_CASE("files that are no histories are left alone, and a damaged history is an error") {
  TemporaryFolder const folder;
  for (char const* name : {"x", "x.history", "6.history", "zz.history", ".history", "61.history.copyspec-abcdef",
                           "61.txt", "61 .history", "-1.history", "0x.history"})
    std::ofstream(folder.path / name) << "no history";
  Tenants tenants(small(HistoryOf::key, folder.path));
  CHECK(requests_of(tenants.of("a", "")).empty());
  std::ofstream(folder.path / "61.history") << "no history";
  std::string const error = error_of<copyspec::Error>([&] { Tenants const again(small(HistoryOf::key, folder.path)); });
  CHECK(error.find("61.history") != std::string::npos);
}

TEST_CASE("a folder that cannot be made is an error") {
  TemporaryFolder const folder;
  std::ofstream(folder.path / "file") << "x";
  for (std::filesystem::path const& path : {folder.path / "file", folder.path / "file" / "in it"})
    CHECK_FALSE(error_of<copyspec::Error>([&] { Tenants const tenants(small(HistoryOf::key, path)); }).empty());
}
