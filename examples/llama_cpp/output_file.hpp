// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string_view>

namespace copyspec_llama {

/// Throws `copyspec::Error` unless `file` can be written, or created where it is missing. Leaves it as it is.
void require_writable(std::filesystem::path const& file);

/// Replaces what is in `file`. Throws `copyspec::Error` if that cannot be.
void write_text(std::filesystem::path const& file, std::string_view text);

}  // namespace copyspec_llama
