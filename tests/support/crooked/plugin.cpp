// The instance, and the mistakes that the C++ layer makes impossible: they are made on copies of
// its tables.
#include <hn/weights_audit.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <thread>

#include "crooked.hpp"

namespace crooked {
namespace {

class Crooked final : public hn::Instance {
 public:
  Crooked(const hn::Host& host, const hn::Config& config) : Instance(host) {
    the_defect = config.str("defect", "");
    if (const std::string dtype = config.str("dtype", "float32");
        dtype != "float32" && !is("any_dtype"))
      throw hn::Error(HN_UNSUPPORTED, "[crooked] expected dtype float32, got " + dtype);
    if (const std::string device = config.str("device", "cpu"); device != "cpu")
      throw hn::Error(HN_UNSUPPORTED, "[crooked] expected device cpu, got " + device);
    if (is("asks_always"))
      asking_ = std::thread([this] {
        while (!done_) {
          (void)this->host().cancelled();
          ::usleep(1000);
        }
      });
  }
  ~Crooked() override {
    done_ = true;
    if (asking_.joinable()) asking_.join();
    if (is("logs_late"))
      std::thread([host = host()] {
        ::usleep(20'000);
        host.log(HN_LOG_INFO, "late");
      }).detach();
  }
  std::unique_ptr<hn::Function> open(std::string_view name, const hn::Config&) override {
    if (name == "score") return make_score();
    if (name == "encode") return make_encode();
    if (name == "noise_net") return make_noise_net();
    throw unknown_function(name);
  }
  bool has_cond() const override { return true; }
  std::uint32_t prompt_fields() const override {
    return HN_PROMPT_NEGATIVE | HN_PROMPT_JSON | HN_PROMPT_TENSORS;
  }
  std::vector<std::unique_ptr<hn::Cond>> encode(std::span<const hn::Prompt> prompts,
                                                hn_stream) override {
    std::vector<std::unique_ptr<hn::Cond>> made;
    for (const hn::Prompt& prompt : prompts) {
      auto one = std::make_unique<Encoded>();
      one->text = prompt.text();
      one->weight = weight_of(prompt.text());
      if (!is("ignores_negative")) one->weight -= 0.01f * weight_of(prompt.negative());
      if (!is("ignores_json")) one->weight += 0.01f * weight_of(prompt.json());
      for (const hn_named_tensor& named : prompt.tensors()) {
        const std::string name(hn::view(named.name));
        if (name != "image" && name != "mask" && !is("any_tensor"))
          throw hn::Error(HN_UNSUPPORTED, "[crooked] knows no tensor " + name);
        if (!is("ignores_tensors")) one->weight += 0.1f * at(*named.tensor, 0);
      }
      made.push_back(std::move(one));
    }
    return made;
  }
  bool has_adapters() const override { return true; }
  const std::vector<hn::LayerSpec>& layers(std::string_view name) override {
    static const std::vector<hn::LayerSpec> all = {{"mix", HN_LAYER_LINEAR, 3, 3}};
    if (name != "noise_net") throw unknown_function(name);
    return all;
  }
  std::vector<hn::MemoryUse> memory_use() const override { return {{{kDLCPU, 0}, 1000}}; }
  void trim(hn_stream) override { g_trimmed = true; }

 private:
  std::atomic<bool> done_{false};
  std::thread asking_;
};

using namespace hn::tables;

hn_status own_create(const hn_host_v1* host, const hn_config* config, hn_instance** out,
                     hn_error* e) {
  const hn_status status = create<Crooked>(host, config, out, e);
  if (status == HN_OK) host->config_str(config, "tone", &g_tone);
  return status;
}
hn_status own_slot(hn_fn* p, std::int32_t direction, std::uint64_t i, hn_slot* out, hn_error* e) {
  static char text[64];
  const hn_status status = fn_slot(p, direction, i, out, e);
  if (status != HN_OK || !HN_HAS(out, hn_slot, name)) return status;
  std::memcpy(text, out->name.data, out->name.len);
  out->name.data = text;
  return status;
}
hn_status own_shapes(hn_fn* p, const hn_call* call, hn_shape* out, std::uint64_t n, hn_error* e) {
  if (is("takes_any_room")) n = 2;
  if (is("reads_out") && call->out != nullptr && call->out[0]->ndim != 4) {
    hn::write_error(e, HN_INVALID_ARGUMENT, "[crooked] expected an output");
    return HN_INVALID_ARGUMENT;
  }
  const hn_status status = fn_shapes(p, call, out, n, e);
  if (status == HN_OK && is("tells_too_much") && call->out != nullptr) out[n] = out[0];
  return status;
}
hn_status own_forward(hn_fn* p, const hn_call* call, hn_saved** saved, hn_error* e) {
  hn_call known = *call;
  if (is("ignores_arguments")) known.next = nullptr;
  if (is("refuses_hints") && (known.flags & ~HN_FLAGS_CRITICAL) != 0) {
    hn::write_error(e, HN_UNSUPPORTED, "[crooked] unknown flags");
    return HN_UNSUPPORTED;
  }
  const hn_status status = fn_forward(p, &known, saved, e);
  if (status == HN_OK && is("talks_of_success")) hn::write_error(e, HN_OK, "all went well");
  return status;
}
hn_status own_backward(hn_fn* p, hn_saved* saved, const hn_vjp* vjp, hn_error* e) {
  hn_vjp known = *vjp;
  if (is("any_vjp")) known.struct_size = sizeof known;
  if (is("any_vjp")) known.next = nullptr;
  return fn_backward(p, saved, &known, e);
}
const hn_host_v1* g_host = nullptr;  // NOLINT: of fails_cancelled
hn_status impatient_forward(hn_fn* p, const hn_call* call, hn_saved** saved, hn_error* e) {
  if (g_host->is_cancelled(g_host->ctx) == 0) return fn_forward(p, call, saved, e);
  hn::write_error(e, HN_INTERNAL, "[crooked] stopped");
  return HN_INTERNAL;
}
hn_status bytes_open(hn_instance* p, hn_str name, const hn_config* config, hn_fn** out,
                     hn_error* e) {
  hn::ErrorBuffer whole;
  const hn_status status = fn_open(p, name, config, out, whole.get());
  if (status == HN_OK || e == nullptr || !HN_HAS(e, hn_error, length)) return status;
  const std::string text = whole.text();
  e->code = status;
  e->length = text.size();
  if (e->message == nullptr || e->capacity == 0) return status;
  const std::size_t n = std::min<std::size_t>(text.size(), e->capacity - 1);
  std::memcpy(e->message, text.data(), n);
  e->message[n] = 0;
  return status;
}
hn_status own_encode(hn_instance* p, const hn_prompt* const* prompts, std::uint64_t n,
                     hn_stream stream, hn_cond** out, hn_error* e) {
  std::vector<hn_prompt> copies;
  std::vector<const hn_prompt*> pointers;
  for (std::uint64_t i = 0; i < n; ++i) {
    copies.push_back(*prompts[i]);
    if (is("any_prompt_flag")) copies.back().flags = 0;
    if (is("reads_undeclared") && copies.back().negative.len > 0) copies.back().negative = {};
  }
  for (const hn_prompt& prompt : copies) pointers.push_back(&prompt);
  const hn_status status = cond_encode(p, pointers.data(), n, stream, out, e);
  if (status != HN_OK && is("leaves_handles") && n > 0) out[0] = reinterpret_cast<hn_cond*>(p);
  return status;
}
std::uint32_t own_fields(hn_instance* p) {
  if (is("reads_undeclared")) return HN_PROMPT_JSON | HN_PROMPT_TENSORS;
  return cond_prompt_fields(p) | (is("more_fields") ? 8u : 0u);
}
hn_status endless_use(hn_instance* p, std::uint64_t, hn_memory_use* out, hn_error* e) {
  return memory_use(p, 0, out, e);
}
hn_status no_use(hn_instance* p, std::uint64_t index, hn_memory_use* out, hn_error* e) {
  const hn_status status = memory_use(p, index, out, e);
  if (status == HN_NOT_FOUND) hn::write_error(e, HN_INTERNAL, "[crooked] past the end");
  return status == HN_NOT_FOUND ? HN_INTERNAL : status;
}

hn_fn_v1 g_fn = kFn;              // NOLINT: spoiled once the defect is known
hn_cond_v1 g_cond = kCond;        // NOLINT
hn_memory_v1 g_memory = kMemory;  // NOLINT

void spoil_tables() {
  if (is("one_name")) g_fn.slot = &own_slot;
  g_fn.shapes = &own_shapes;
  g_fn.forward = is("fails_cancelled") ? &impatient_forward : &own_forward;
  g_fn.backward = is("any_vjp") || is("ignores_arguments") ? &own_backward : kFn.backward;
  if (is("cuts_characters")) g_fn.open = &bytes_open;
  if (is("no_shapes")) g_fn.shapes = nullptr;
  g_cond.encode = &own_encode;
  g_cond.prompt_fields = &own_fields;
  if (is("endless_devices")) g_memory.use = &endless_use;
  if (is("other_end")) g_memory.use = &no_use;
}

const void* get_interface(hn_instance* instance, const char* id) {
  spoil_tables();
  g_host = self(instance).host().raw();
  if (std::strcmp(id, HN_FN_V1) == 0) return &g_fn;
  if (std::strcmp(id, HN_COND_V1) == 0) return &g_cond;
  if (std::strcmp(id, HN_MEMORY_V1) == 0) return &g_memory;
  return hn::tables::get_interface(instance, id);
}

hn_status audit(const hn_host_v1* host, const hn_config* config, void* ctx,
                void (*component)(void*, hn_str), hn_error* error) {
  return hn::guard(error, [&] {
    const hn::Config options(host, config);
    const std::string defect = options.str("defect", "");
    if (options.find_str("weights") && defect != "audits_anything")
      throw hn::Error(HN_NOT_FOUND, "[crooked] has no weights");
    if (defect == "audits_nothing") return;
    component(ctx, hn::str(defect == "audits_in_prose"
                               ? R"("all is well")"
                               : R"({"model":"m","path":"","tensors":0,"parameters":0,)"
                                 R"("missing":[],"wrong_shape":[],"unexpected":[]})"));
  });
}
constexpr hn_weights_audit_v1 kAudit = {&audit};

// Asked before there are options: this mistake is switched on by the environment.
const void* get_plugin_interface(const hn_host_v1*, const char* id) {
  const bool audit_meant = std::strcmp(id, HN_WEIGHTS_AUDIT_V1) == 0;
  return audit_meant || std::getenv("HN_CROOKED_TABLES") != nullptr ? &kAudit : nullptr;
}

}  // namespace
}  // namespace crooked

extern "C" {
const hn_plugin_v1 hn_plugin_entry_v1 = {sizeof(hn_plugin_v1),
                                         HN_ABI_MAJOR,
                                         0u,
                                         0u,
                                         HN_STR("hn.test.crooked"),
                                         HN_STR("1.0.0"),
                                         &crooked::own_create,
                                         &hn::tables::destroy,
                                         &crooked::get_interface,
                                         HN_ABI_MINOR,
                                         0u,
                                         &crooked::get_plugin_interface};
}
