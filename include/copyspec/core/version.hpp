// SPDX-License-Identifier: MIT
#pragma once

/// Version of the headers that were included. The inline namespace `v0_1`, which follows the minor version, is part of every name, so two versions in
/// one program are two sets of symbols rather than one definition violated.
#define COPYSPEC_VERSION_MAJOR 0
#define COPYSPEC_VERSION_MINOR 1
#define COPYSPEC_VERSION_PATCH 0

/// The inline namespace that every name of the library lies in.
#define COPYSPEC_VERSION_NAMESPACE v0_1
