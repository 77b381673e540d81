#include "validate/probe.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <hn/cpp/client.hpp>
#include <hn/cpp/tensor.hpp>

#include "validate/services.hpp"

namespace hn::validate {
namespace {

std::uint64_t hash(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325ull;  // FNV-1a
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return h;
}

// Values as the semantic means them: pictures lie in [0,1] with room for finite differences, noise
// has unit variance, adapters are small.
void draw(const Slot& slot, std::span<float> out, Random& random) {
  if (slot.semantic == "image_rgb01") {
    for (float& v : out) v = static_cast<float>(0.2 + 0.6 * random.uniform());
    return;
  }
  double scale = 1;
  if (slot.semantic == "lora_a" && !slot.shape.empty())
    scale = 1.0 / std::sqrt(static_cast<double>(std::max<std::int64_t>(1, slot.shape.back())));
  if (slot.semantic == "lora_b") scale = 0.1;
  for (float& v : out) v = static_cast<float>(scale * random.normal());
}

}  // namespace

std::string code_name(hn_status code) {
  static constexpr std::array kNames = {"HN_OK",          "HN_INVALID_ARGUMENT", "HN_UNSUPPORTED",
                                        "HN_NOT_FOUND",   "HN_OUT_OF_MEMORY",    "HN_CANCELLED",
                                        "HN_DATA_LOSS",   "HN_DEVICE_LOST",      "HN_INTERNAL",
                                        "HN_UNAVAILABLE", "HN_DEADLINE",         "HN_PERMISSION"};
  return code >= 0 && code < static_cast<hn_status>(kNames.size())
             ? kNames[static_cast<std::size_t>(code)]
             : "code " + std::to_string(code);
}

void expect_ok(hn_status status, const ErrorBuffer& error, const std::string& what) {
  if (status != HN_OK)
    throw Failure(what + ": expected HN_OK, got " + code_name(status) + ": " + error.text());
}

void expect_refused(hn_status status, const ErrorBuffer& error, const std::string& what,
                    const std::vector<hn_status>& codes) {
  expect(status != HN_OK, what + ": expected an error, got HN_OK");
  bool known = codes.empty();
  std::string wanted;
  for (const hn_status code : codes) {
    known = known || code == status;
    wanted += (wanted.empty() ? "" : " or ") + code_name(code);
  }
  expect(known,
         what + ": expected " + wanted + ", got " + code_name(status) + " (" + error.text() + ")");
  expect(status > 0 && status <= HN_PERMISSION,
         what + ": got a code that version 1 does not have: " + std::to_string(status));
  expect(!error.text().empty(), what + ": got " + code_name(status) + " without a text");
}

bool Slot::has_open_size() const {
  return std::find(shape.begin(), shape.end(), HN_DIM_ANY) != shape.end();
}

std::size_t Slot::batch_dim() const {
  return static_cast<std::size_t>(std::find(shape.begin(), shape.end(), HN_DIM_BATCH) -
                                  shape.begin());
}

// ---- Instance

Instance::Instance(const hn_plugin_v1* entry, const core::Options& options) : entry_(entry) {
  ErrorBuffer error;
  expect_ok(entry->create(services(), as_config(options), &raw_, error.get()), error, "create");
  expect(raw_ != nullptr, "create gave HN_OK and no instance");
  fn_ = static_cast<const hn_fn_v1*>(entry->get_interface(raw_, HN_FN_V1));
  cond_ = static_cast<const hn_cond_v1*>(entry->get_interface(raw_, HN_COND_V1));
  adapter_ = static_cast<const hn_adapter_v1*>(entry->get_interface(raw_, HN_ADAPTER_V1));
  memory_ = static_cast<const hn_memory_v1*>(entry->get_interface(raw_, HN_MEMORY_V1));
}

Instance::~Instance() { entry_->destroy(raw_); }

const hn_fn_v1& Instance::fn() const {
  expect(fn_ != nullptr, "the plugin has no hn.fn/1");
  return *fn_;
}

// ---- Fn

Fn::Fn(const Instance& instance, const std::string& name, const core::Options& options)
    : instance_(instance) {
  ErrorBuffer error;
  expect_ok(table().open(instance.get(), str(name), as_config(options), &raw_, error.get()), error,
            "open " + name);
  expect(raw_ != nullptr, "open " + name + " gave HN_OK and no function");
  hn_fn_info info{};
  info.struct_size = sizeof info;
  ErrorBuffer info_error;
  expect_ok(table().info(raw_, &info, info_error.get()), info_error, "info");
  expect(info.n_in > 0 && info.n_in < 100000 && info.n_out > 0 && info.n_out < 1000,
         "info: implausible counts of slots: " + std::to_string(info.n_in) + " inputs, " +
             std::to_string(info.n_out) + " outputs");
  flags_ = info.flags;
  for (std::uint64_t i = 0; i < info.n_in; ++i) inputs_.push_back(read_slot(HN_SLOT_INPUT, i));
  for (std::uint64_t i = 0; i < info.n_out; ++i) outputs_.push_back(read_slot(HN_SLOT_OUTPUT, i));
}

Fn::~Fn() { table().close(raw_); }

Slot Fn::read_slot(std::int32_t direction, std::uint64_t index) const {
  hn_slot raw{};
  raw.struct_size = sizeof raw;
  ErrorBuffer error;
  expect_ok(table().slot(raw_, direction, index, &raw, error.get()), error,
            "slot " + std::to_string(index));
  expect(raw.ndim >= 0 && raw.ndim <= 8,
         "slot " + std::to_string(index) + ": ndim is " + std::to_string(raw.ndim));
  expect(raw.ndim == 0 || raw.shape != nullptr,
         "slot " + std::to_string(index) + ": shape is NULL");
  expect(raw.reserved == 0, "slot " + std::to_string(index) + ": reserved must stay zero, got " +
                                std::to_string(raw.reserved));
  Slot slot{std::string(view(raw.name)),
            std::string(view(raw.semantic)),
            raw.flags,
            raw.dtype,
            raw.grad_dtype,
            {}};
  if (raw.ndim > 0) slot.shape.assign(raw.shape, raw.shape + raw.ndim);
  return slot;
}

bool Fn::differentiable() const {
  for (const Slot& slot : inputs_)
    if (slot.is(HN_SLOT_DIFF)) return true;
  return false;
}

// ---- Prompts

std::string prompt_text(std::int64_t b) {
  // Of a grammar that every plugin of hn reads, the judge's parser included.
  static constexpr std::array kPrompts = {"a pink cat",
                                          "two blue cups",
                                          "an elephant above a balloon",
                                          "a yellow bus",
                                          "three purple elephants",
                                          "a carrot and a star",
                                          "a cake on a purple background"};
  return kPrompts[static_cast<std::size_t>(b) % kPrompts.size()];
}

Prompts::Prompts(const Instance& instance, const std::vector<std::string>& texts)
    : instance_(instance), handles_(texts.size()) {
  expect(instance.cond() != nullptr, "the function needs prompts, but the plugin has no hn.cond/1");
  RawPrompts views(texts);
  ErrorBuffer error;
  expect_ok(instance.cond()->encode(instance.get(), views.data(), views.size(), kCpuStream,
                                    handles_.data(), error.get()),
            error, "encode");
  for (const hn_cond* handle : handles_)
    expect(handle != nullptr, "encode gave HN_OK and a NULL handle");
}

Prompts::~Prompts() {
  for (hn_cond* handle : handles_) instance_.cond()->release(instance_.get(), handle, kCpuStream);
}

// ---- Case

Case::Case(Fn& fn, const CaseOptions& options) : fn_(fn), options_(options) {
  const std::int64_t batch = options.batch;
  if (fn.needs_cond()) {
    std::vector<std::string> texts;
    for (std::int64_t b = 0; b < batch; ++b) texts.push_back(prompt_text(options.first_sample + b));
    prompts_ = std::make_unique<Prompts>(fn.instance(), texts);
  }
  for (const Slot& slot : fn.inputs()) {
    if (slot.is(HN_SLOT_OPTIONAL) && !options.optional_inputs) {
      in_.push_back(nullptr);
      in_views_.push_back(nullptr);
      start_.push_back(std::nullopt);
      continue;
    }
    if (!same_dtype(slot.dtype, kFloat32))
      throw Skip("input " + slot.name + " is " + dtype_name(slot.dtype) +
                 ", the suite makes float32 tensors");
    auto buffer = std::make_unique<Buffer>(concrete(slot), options.layout);
    Values values(buffer->count());
    // Each sample has its own stream: the same values whatever the batch and wherever the batch
    // dimension stands.
    const std::size_t batch_dim = slot.batch_dim();
    const std::uint64_t base = hash(slot.name) ^ (options.seed * 0x9E3779B97F4A7C15ull);
    if (batch_dim == slot.shape.size()) {
      Random random(base);
      draw(slot, values, random);
    } else if (batch > 0) {
      const auto& shape = buffer->shape();
      const std::size_t inner = element_count_of(std::span(shape).subspan(batch_dim + 1));
      const std::size_t outer = element_count_of(std::span(shape).first(batch_dim));
      Values one(inner * outer);
      for (std::int64_t b = 0; b < batch; ++b) {
        Random random(base + 1000003ull * static_cast<std::uint64_t>(options.first_sample + b + 1));
        draw(slot, one, random);
        for (std::size_t o = 0; o < outer; ++o)
          for (std::size_t i = 0; i < inner; ++i)
            values[(o * static_cast<std::size_t>(batch) + static_cast<std::size_t>(b)) * inner +
                   i] = one[o * inner + i];
      }
    }
    if (options.zero_lora_b && slot.semantic == "lora_b") values.assign(values.size(), 0.0f);
    buffer->write(values);
    start_.push_back(std::move(values));
    in_views_.push_back(buffer->view());
    in_.push_back(std::move(buffer));
  }
  for (const Slot& slot : fn.outputs()) {
    if (!same_dtype(slot.dtype, kFloat32))
      throw Skip("output " + slot.name + " is " + dtype_name(slot.dtype) +
                 ", the suite makes float32 tensors");
    out_.push_back(std::make_unique<Buffer>(output_shape(slot, out_.size()), options.layout));
    out_views_.push_back(out_.back()->view());
  }
  for (std::size_t i = 0; i < fn.inputs().size(); ++i)
    need_.push_back(fn.inputs()[i].is(HN_SLOT_DIFF) && in_[i] != nullptr ? 1 : 0);
}

Case::~Case() { release(); }

std::vector<std::int64_t> Case::concrete(const Slot& slot) const {
  std::vector<std::int64_t> shape = slot.shape;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == HN_DIM_BATCH) shape[d] = options_.batch;
    if (shape[d] == HN_DIM_ANY) shape[d] = options_.open_sizes[d % kOpenSizes.size()];
  }
  return shape;
}

// An output's own sizes, or where it leaves some open what the plugin answers.
std::vector<std::int64_t> Case::output_shape(const Slot& slot, std::size_t index) {
  if (!slot.has_open_size()) return concrete(slot);
  expect(fn_.table().shapes != nullptr, "output " + slot.name +
                                            " leaves a size open (HN_DIM_ANY), "
                                            "and shapes, which would tell it, is NULL");
  std::vector<hn_shape> told(fn_.outputs().size());
  hn_call asked = call(false);
  asked.out = nullptr;
  asked.n_out = 0;
  ErrorBuffer error;
  expect_ok(fn_.table().shapes(fn_.get(), &asked, told.data(), told.size(), error.get()), error,
            "shapes");
  const hn_shape& shape = told[index];
  expect(shape.ndim == static_cast<std::int32_t>(slot.shape.size()) && shape.reserved == 0,
         "shapes: output " + slot.name + " has " + std::to_string(slot.shape.size()) +
             " dimensions, got " + std::to_string(shape.ndim));
  return {shape.dim, shape.dim + shape.ndim};
}

hn_call Case::call(bool want_grad) {
  hn_call call{};
  call.struct_size = sizeof call;
  call.flags = want_grad ? HN_CALL_WANT_GRAD : 0u;
  call.stream = kCpuStream;
  if (prompts_) {
    call.cond = prompts_->handles().data();
    call.n_cond = prompts_->handles().size();
  }
  call.in = in_views_.data();
  call.n_in = in_views_.size();
  call.out = out_views_.data();
  call.n_out = out_views_.size();
  call.need_grad = want_grad ? need_.data() : nullptr;
  call.rng_seed = options_.seed;
  return call;
}

hn_status Case::try_forward(const hn_call& call, ErrorBuffer& error) {
  release();
  return fn_.table().forward(fn_.get(), &call, &saved_, error.get());
}

void Case::forward(bool want_grad) {
  ErrorBuffer error;
  const hn_status status = try_forward(call(want_grad), error);
  expect_ok(status, error, want_grad ? "forward with gradients" : "forward");
  if (want_grad) {
    expect(saved_ != nullptr, "forward with HN_CALL_WANT_GRAD gave no saved");
  } else {
    expect(saved_ == nullptr, "forward without HN_CALL_WANT_GRAD: expected saved = NULL");
  }
}

void Case::release() {
  if (saved_ != nullptr) fn_.table().saved_release(fn_.get(), saved_, kCpuStream);
  saved_ = nullptr;
}

std::vector<Values> Case::outputs() const {
  std::vector<Values> values;
  for (const auto& buffer : out_) values.push_back(buffer->read());
  return values;
}

AllValues Case::inputs() const {
  AllValues values;
  for (const auto& buffer : in_)
    values.push_back(buffer ? std::optional(buffer->read()) : std::nullopt);
  return values;
}

AllValues Case::cotangents(std::uint64_t seed) const {
  AllValues values;
  for (std::size_t k = 0; k < out_.size(); ++k) {
    if (!fn_.outputs()[k].is(HN_SLOT_DIFF)) {
      values.push_back(std::nullopt);
      continue;
    }
    Random random(seed * 7919 + k);
    values.push_back(random.normals(out_[k]->count()));
  }
  return values;
}

AllValues Case::backward(const AllValues& cotangents, const BackwardOptions& options) {
  expect(saved_ != nullptr, "backward needs a forward with gradients before it");
  std::vector<std::unique_ptr<Buffer>> cotangent(out_.size()), grad(in_.size());
  Views cotangent_views(out_.size()), grad_views(in_.size());
  for (std::size_t k = 0; k < out_.size(); ++k) {
    if (!cotangents[k]) continue;
    cotangent[k] = std::make_unique<Buffer>(out_[k]->shape(), options.layout);
    cotangent[k]->write(*cotangents[k]);
    cotangent_views[k] = cotangent[k]->view();
  }
  for (std::size_t i = 0; i < in_.size(); ++i) {
    const bool wanted = need_[i] != 0 && (options.wanted.empty() || options.wanted[i]);
    if (!wanted) continue;
    if (!same_dtype(fn_.inputs()[i].grad_dtype, kFloat32))
      throw Skip("the gradient of " + fn_.inputs()[i].name + " is " +
                 dtype_name(fn_.inputs()[i].grad_dtype));
    grad[i] = std::make_unique<Buffer>(in_[i]->shape(), options.layout);
    if (options.accumulate_onto) grad[i]->write(Values(grad[i]->count(), *options.accumulate_onto));
    grad_views[i] = grad[i]->view();
  }
  const std::vector<std::uint8_t> accumulate(in_.size(), options.accumulate_onto ? 1 : 0);
  hn_vjp vjp = cpu_vjp(cotangent_views, grad_views);
  vjp.accumulate = options.accumulate_onto ? accumulate.data() : nullptr;
  ErrorBuffer error;
  expect_ok(fn_.table().backward(fn_.get(), saved_, &vjp, error.get()), error, "backward");

  AllValues result(in_.size());
  for (std::size_t i = 0; i < in_.size(); ++i) {
    if (!grad[i]) continue;
    const auto hit = grad[i]->damage();
    expect(!hit, "backward wrote outside the gradient of " + fn_.inputs()[i].name + ": " +
                     hit.value_or(""));
    result[i] = grad[i]->read();
  }
  for (std::size_t k = 0; k < out_.size(); ++k) {
    if (!cotangent[k]) continue;
    const auto hit = cotangent[k]->damage();
    expect(!hit, "backward wrote round the cotangent of " + fn_.outputs()[k].name + ": " +
                     hit.value_or(""));
    expect(cotangent[k]->read() == *cotangents[k],
           "backward changed the cotangent of " + fn_.outputs()[k].name);
  }
  return result;
}

std::optional<std::string> Case::damage() const {
  for (std::size_t i = 0; i < in_.size(); ++i) {
    if (!in_[i]) continue;
    if (const auto hit = in_[i]->damage())
      return "wrote outside input " + fn_.inputs()[i].name + ": " + *hit;
    if (in_[i]->read() != *start_[i]) return "changed input " + fn_.inputs()[i].name;
  }
  for (std::size_t k = 0; k < out_.size(); ++k)
    if (const auto hit = out_[k]->damage())
      return "wrote outside output " + fn_.outputs()[k].name + ": " + *hit;
  return std::nullopt;
}

// ---- Context

std::vector<std::string> thread_names() {
  std::vector<std::string> names;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string name;
    std::getline(file, name);
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> functions_of(const Subject& subject) {
  if (!subject.functions.empty()) return subject.functions;
  if (subject.kind == "generator") return {"noise_net", "generate"};
  return {"score"};
}

Instance& Context::instance() {
  if (!instance_) instance_ = std::make_unique<Instance>(entry(), subject_.options);
  return *instance_;
}

Fn& Context::fn() {
  if (!fn_) fn_ = std::make_unique<Fn>(instance(), function_, subject_.options);
  return *fn_;
}

std::string Context::first_function() const { return functions_of(subject_).front(); }

}  // namespace hn::validate
