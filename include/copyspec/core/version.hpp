// SPDX-License-Identifier: MIT
#pragma once

/// Version of the included headers. The inline namespace below, which follows the minor version, is part of every name.
/// So two versions in one program are two sets of symbols, not a violation of the one-definition rule.
#define COPYSPEC_VERSION_MAJOR 0
#define COPYSPEC_VERSION_MINOR 1
#define COPYSPEC_VERSION_PATCH 0

/// The inline namespace that contains every name of the library.
#define COPYSPEC_VERSION_NAMESPACE v0_1
