// SPDX-License-Identifier: MIT
#include "copyspec/copyspec.hpp"
#include "copyspec/testing/toy_model.hpp"

int main() {}
