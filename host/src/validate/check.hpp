// One row of the suite's tables.
#pragma once

#include <span>
#include <string>

#include "validate/compare.hpp"
#include "validate/probe.hpp"

namespace hn::validate {

enum class Scope { kPlugin, kFunction };

// The root of all: the helper loads the library itself.
inline constexpr const char* kLoads = "entry.loads";

struct Check {
  const char* name;  // "<group>.<promise>"
  const char* what;  // the promise, one sentence
  Scope scope;
  // Why the check does not apply to this plugin or function; empty when it does. NULL: it always
  // does.
  std::string (*skip_reason)(Context&);
  void (*run)(Context&);  // throws Failure, Skip or Note
  // Checks without which this one says nothing, with blanks between them; those of functions: of
  // the same one, and for the whole plugin of its first. All stand earlier in the tables.
  const char* needs;
};

std::span<const Check> entry_checks();
std::span<const Check> works_checks();
std::span<const Check> plugin_checks();
std::span<const Check> slot_checks();
std::span<const Check> forward_checks();
std::span<const Check> backward_checks();
std::span<const Check> gradient_checks();
std::span<const Check> error_checks();
std::span<const Check> cond_checks();
std::span<const Check> kind_checks();
std::span<const Check> option_checks();
std::span<const Check> shape_checks();
std::span<const Check> field_checks();
std::span<const Check> hint_checks();
std::span<const Check> lifetime_checks();
std::span<const Check> service_checks();
std::span<const Check> table_checks();
// All of them, in the order of their rows.
std::span<const Check> all_checks();

// One check on one function (or on the plugin, where that is empty).
struct Job {
  const Check* check;
  std::string function;
  std::vector<std::size_t> needs;  // earlier jobs
};
// The chosen ones and what they need. Errors: those of run_suite.
std::vector<Job> jobs_of(const Subject& subject, const std::vector<std::string>& patterns);

// Reasons that several tables share.
std::string needs_gradient(Context&);
std::string needs_prompts(Context&);

// Outputs of one call of two samples with these handles.
std::vector<Values> outputs_with(Fn&, const std::vector<hn_cond*>& handles);
// The first function that reads prompts; Skip where there is none.
std::unique_ptr<Fn> function_with_prompts(Context&);

}  // namespace hn::validate
