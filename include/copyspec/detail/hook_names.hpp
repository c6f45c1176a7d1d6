// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>

#include "../core/version.hpp"

namespace copyspec {
inline namespace COPYSPEC_VERSION_NAMESPACE {
namespace detail {

// `names_HOOK<T>` tells whether class T has a member of that name: a function, overloads, a template, private or not. A
// name inherited from two bases is ambiguous, which is what it detects. A final class cannot be inherited from, so
// there only a single function is detected.
#define COPYSPEC_HOOK_NAME(hook)                           \
  struct Another_##hook {                                  \
    int hook;                                              \
  };                                                       \
  template <class T>                                       \
  struct Heir_##hook : T, Another_##hook {};               \
  template <class T, bool final = std::is_final_v<T>>      \
  inline constexpr bool names_##hook = !requires {         \
    &Heir_##hook<T>::hook;                                 \
  };                                                       \
  template <class T>                                       \
  inline constexpr bool names_##hook<T, true> = requires { \
    &T::hook;                                              \
  };

// Optional calls of proposers.
COPYSPEC_HOOK_NAME(reserve)
COPYSPEC_HOOK_NAME(require_vocabulary)
COPYSPEC_HOOK_NAME(set_references)
COPYSPEC_HOOK_NAME(set_scope)
COPYSPEC_HOOK_NAME(claim)
COPYSPEC_HOOK_NAME(set_sampling)
COPYSPEC_HOOK_NAME(prepare)
COPYSPEC_HOOK_NAME(offer)
COPYSPEC_HOOK_NAME(share_rows)
COPYSPEC_HOOK_NAME(draft_offered)
COPYSPEC_HOOK_NAME(propose_tree)
COPYSPEC_HOOK_NAME(propose_after)
COPYSPEC_HOOK_NAME(on_draft_chosen)
COPYSPEC_HOOK_NAME(on_pass)
// Of both proposers and verifiers.
COPYSPEC_HOOK_NAME(on_turn_begin)
COPYSPEC_HOOK_NAME(on_turn_end)
// Of verifiers.
COPYSPEC_HOOK_NAME(begin_turn)
COPYSPEC_HOOK_NAME(on_fork)
COPYSPEC_HOOK_NAME(options)
COPYSPEC_HOOK_NAME(logprobs)
COPYSPEC_HOOK_NAME(allowed_draft)
COPYSPEC_HOOK_NAME(drawn_from)
COPYSPEC_HOOK_NAME(check_supported)
COPYSPEC_HOOK_NAME(detach_workspace)

// Not hooks, but names that are easily mistaken for those of hooks.
COPYSPEC_HOOK_NAME(check_vocabulary)
COPYSPEC_HOOK_NAME(set_reference)
COPYSPEC_HOOK_NAME(set_sampling_options)
COPYSPEC_HOOK_NAME(prepare_draft)
COPYSPEC_HOOK_NAME(propose_trees)
COPYSPEC_HOOK_NAME(propose_behind)
COPYSPEC_HOOK_NAME(on_draft)
COPYSPEC_HOOK_NAME(observe_pass)
COPYSPEC_HOOK_NAME(on_begin_turn)
COPYSPEC_HOOK_NAME(on_end_turn)
COPYSPEC_HOOK_NAME(end_turn)
COPYSPEC_HOOK_NAME(log_probs)
COPYSPEC_HOOK_NAME(allow_draft)
COPYSPEC_HOOK_NAME(draw_from)

#undef COPYSPEC_HOOK_NAME

}  // namespace detail
}  // namespace COPYSPEC_VERSION_NAMESPACE
}  // namespace copyspec
