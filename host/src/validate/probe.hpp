// The plugin under test, driven as a host drives it: instance, function, and one prepared call with
// its tensors.
#pragma once

#include <hn/hn.h>

#include <array>
#include <hn/cpp/error.hpp>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "validate/buffer.hpp"
#include "validate/suite.hpp"

namespace hn::validate {

// A broken promise: what was wanted and what came.
class Failure : public std::runtime_error {
  using std::runtime_error::runtime_error;
};
// The check says nothing about this plugin, and why.
class Skip : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The promise holds, and the author may want to know something.
class Note : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void expect(bool condition, const std::string& text) {
  if (!condition) throw Failure(text);
}
// Fails with the plugin's own message unless status is HN_OK.
void expect_ok(hn_status status, const ErrorBuffer& error, const std::string& what);
// A refusal: a code (one of `codes` when given), and a text.
void expect_refused(hn_status status, const ErrorBuffer& error, const std::string& what,
                    const std::vector<hn_status>& codes = {});
std::string code_name(hn_status);

struct Slot {
  std::string name, semantic;
  std::uint32_t flags = 0;
  DLDataType dtype{}, grad_dtype{};
  std::vector<std::int64_t> shape;

  bool has_open_size() const;  // HN_DIM_ANY
  // The dimension of the samples; shape.size() where there is none.
  std::size_t batch_dim() const;
  bool is(std::uint32_t flag) const { return (flags & flag) != 0; }
};

class Instance {
 public:
  Instance(const hn_plugin_v1* entry, const core::Options& options);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  hn_instance* get() const { return raw_; }
  const hn_fn_v1& fn() const;
  const hn_cond_v1* cond() const { return cond_; }
  const hn_adapter_v1* adapter() const { return adapter_; }
  const hn_memory_v1* memory() const { return memory_; }

 private:
  const hn_plugin_v1* entry_;
  hn_instance* raw_ = nullptr;
  const hn_fn_v1* fn_ = nullptr;
  const hn_cond_v1* cond_ = nullptr;
  const hn_adapter_v1* adapter_ = nullptr;
  const hn_memory_v1* memory_ = nullptr;
};

class Fn {
 public:
  Fn(const Instance& instance, const std::string& name, const core::Options& options);
  ~Fn();
  Fn(const Fn&) = delete;
  Fn& operator=(const Fn&) = delete;

  const Instance& instance() const { return instance_; }
  const hn_fn_v1& table() const { return instance_.fn(); }
  hn_fn* get() const { return raw_; }
  const std::vector<Slot>& inputs() const { return inputs_; }
  const std::vector<Slot>& outputs() const { return outputs_; }
  std::uint32_t flags() const { return flags_; }
  bool needs_cond() const { return (flags_ & HN_FN_NEEDS_COND) != 0; }
  bool random() const { return (flags_ & HN_FN_RANDOM) != 0; }
  bool differentiable() const;  // some input is DIFF

 private:
  Slot read_slot(std::int32_t direction, std::uint64_t index) const;

  const Instance& instance_;
  hn_fn* raw_ = nullptr;
  std::uint32_t flags_ = 0;
  std::vector<Slot> inputs_, outputs_;
};

inline constexpr hn_stream kCpuStream{kDLCPU, 0, 0};

using Views = std::vector<const DLTensor*>;  // one a slot, NULL = none

// The arguments of one backward; borrows both lists.
inline hn_vjp cpu_vjp(const Views& cotangent = {}, const Views& grad = {}) {
  hn_vjp vjp{};
  vjp.struct_size = sizeof vjp;
  vjp.stream = kCpuStream;
  vjp.cotangent = cotangent.data();
  vjp.n_out = cotangent.size();
  vjp.grad = grad.data();
  vjp.n_in = grad.size();
  return vjp;
}

// Prompts as handles, released at the end.
class Prompts {
 public:
  Prompts(const Instance& instance, const std::vector<std::string>& texts);
  ~Prompts();
  Prompts(const Prompts&) = delete;
  Prompts& operator=(const Prompts&) = delete;
  std::vector<hn_cond*>& handles() { return handles_; }

 private:
  const Instance& instance_;
  std::vector<hn_cond*> handles_;
};
// The prompt of sample b; neighbours differ.
std::string prompt_text(std::int64_t b);

// Sizes for HN_DIM_ANY, by dimension; height and width differ, so that a swap is seen.
using OpenSizes = std::array<std::int64_t, 6>;
inline constexpr OpenSizes kOpenSizes = {2, 3, 24, 32, 5, 6};

struct CaseOptions {
  std::int64_t batch = 2;
  Layout layout = Layout::kPlain;
  std::uint64_t seed = 1;
  std::int64_t first_sample =
      0;  // sample b of this case is sample first_sample + b of the seed's stream
  bool optional_inputs = true;
  bool zero_lora_b = false;
  OpenSizes open_sizes = kOpenSizes;
};

using Values = std::vector<float>;
using AllValues = std::vector<std::optional<Values>>;  // one a slot; nothing = NULL at the boundary

struct BackwardOptions {
  Layout layout = Layout::kPlain;
  std::vector<bool> wanted = {};  // by input; empty: every input that need_grad asked for
  std::optional<float> accumulate_onto = std::nullopt;  // add onto buffers full of this
};

// One call with its tensors. Values depend on seed, slot and sample alone, so that cases of other
// batches and layouts can be compared.
class Case {
 public:
  Case(Fn& fn, const CaseOptions& options);
  ~Case();
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;

  Fn& fn() { return fn_; }
  std::int64_t batch() const { return options_.batch; }
  // Pointers stay valid as long as the case; need_grad asks for every DIFF input when want_grad.
  hn_call call(bool want_grad);
  // Runs forward and keeps what it saved (the one before is released). Fails on any error.
  void forward(bool want_grad);
  hn_status try_forward(const hn_call& call, ErrorBuffer& error);
  bool has_saved() const { return saved_ != nullptr; }
  hn_saved* saved() { return saved_; }
  void release();

  std::vector<Values> outputs() const;
  AllValues inputs() const;
  // dL/d out drawn from seed, for every DIFF output.
  AllValues cotangents(std::uint64_t seed) const;
  AllValues backward(const AllValues& cotangents, const BackwardOptions& = {});

  Buffer& in(std::size_t i) { return *in_[i]; }
  bool has_in(std::size_t i) const { return in_[i] != nullptr; }
  Buffer& out(std::size_t i) { return *out_[i]; }
  std::vector<std::uint8_t>& need_grad() { return need_; }
  // Damage to any guard byte of the call's tensors, or an element of an input that changed since
  // construction.
  std::optional<std::string> damage() const;

 private:
  std::vector<std::int64_t> concrete(const Slot& slot) const;
  std::vector<std::int64_t> output_shape(const Slot& slot, std::size_t index);

  Fn& fn_;
  CaseOptions options_;
  std::unique_ptr<Prompts> prompts_;
  std::vector<std::unique_ptr<Buffer>> in_, out_;
  Views in_views_, out_views_;
  std::vector<std::uint8_t> need_;
  AllValues start_;
  hn_saved* saved_ = nullptr;
};

// What a check gets: the plugin, created and opened on first use.
class Context {
 public:
  Context(const Subject& subject, std::string function, const hn_plugin_v1* entry)
      : subject_(subject), function_(std::move(function)), entry_(entry) {}

  const Subject& subject() const { return subject_; }
  const std::string& function() const { return function_; }
  const hn_plugin_v1* entry() const { return entry_; }
  Instance& instance();
  Fn& fn();
  // Any function of the plugin, for checks that need one and not a particular one.
  std::string first_function() const;

 private:
  const Subject& subject_;
  std::string function_;
  const hn_plugin_v1* entry_;
  std::unique_ptr<Instance> instance_;
  std::unique_ptr<Fn> fn_;
};

std::vector<std::string> functions_of(const Subject&);
// The names of this process's threads, sorted.
std::vector<std::string> thread_names();

}  // namespace hn::validate
