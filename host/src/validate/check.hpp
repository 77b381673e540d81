// One row of the suite's tables.
#pragma once

#include <span>
#include <string>

#include "validate/compare.hpp"
#include "validate/probe.hpp"

namespace hn::validate {

enum class Scope { kPlugin, kFunction };

struct Check {
  const char* name;  // "<group>.<promise>"
  const char* what;  // the promise, one sentence
  Scope scope;
  // Why the check does not apply to this plugin or function; empty when it does. NULL: it always
  // does.
  std::string (*skip_reason)(Context&);
  void (*run)(Context&);  // throws Failure or Skip
};

std::span<const Check> entry_checks();
std::span<const Check> plugin_checks();
std::span<const Check> slot_checks();
std::span<const Check> forward_checks();
std::span<const Check> backward_checks();
std::span<const Check> gradient_checks();
std::span<const Check> error_checks();
std::span<const Check> cond_checks();
std::span<const Check> kind_checks();

// Reasons that several tables share.
std::string needs_gradient(Context&);
std::string needs_prompts(Context&);

}  // namespace hn::validate
