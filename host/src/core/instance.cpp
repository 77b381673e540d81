#include "core/instance.hpp"

#include <hn/cpp/client.hpp>
#include <utility>

#include "core/prompt.hpp"

namespace hn::core {

Instance::Instance(Runtime& runtime, const Plugin& plugin, std::string name, const Options& options)
    : runtime_(runtime), name_(std::move(name)), library_(plugin.library.string()) {
  check_entry(plugin.entry);
  plugin_ = known_part(plugin.entry);
  Options all = options;
  for (const auto& [key, value] : plugin.options) all.try_emplace(key, value);
  if (!plugin.bundle.empty()) all.try_emplace("bundle", plugin.bundle.string());
  call(Kind::kMake, "create", [&](hn_error* error) {
    return plugin_.create(runtime_.services.table(), as_config(all), &raw_, error);
  });
  if (raw_ == nullptr) throw Error(HN_INTERNAL, name_ + ": create succeeded without an instance");
  try {
    read_interfaces();
  } catch (...) {
    call_quietly("destroy", [&] { plugin_.destroy(raw_); });
    throw;
  }
}

void Instance::check_entry(const hn_plugin_v1* entry) const {
  if (entry == nullptr)
    throw Error(HN_INVALID_ARGUMENT, name_ + ": the plugin was not loaded (no entry)");
  if (!HN_HAS(entry, hn_plugin_v1, get_plugin_interface) || entry->abi_major != HN_ABI_MAJOR ||
      entry->abi_minor > HN_ABI_MINOR)
    throw Error(HN_UNSUPPORTED,
                name_ + ": expected a plugin of ABI " + std::to_string(HN_ABI_MAJOR) + "." +
                    std::to_string(HN_ABI_MINOR) + " or older, got " +
                    std::to_string(entry->abi_major) + "." + std::to_string(entry->abi_minor));
  check_flags(entry->flags, 0, name_ + ": entry");
}

void Instance::read_interfaces() {
  fn_ = static_cast<const hn_fn_v1*>(interface(HN_FN_V1));
  cond_ = static_cast<const hn_cond_v1*>(interface(HN_COND_V1));
  adapter_ = static_cast<const hn_adapter_v1*>(interface(HN_ADAPTER_V1));
  memory_ = static_cast<const hn_memory_v1*>(interface(HN_MEMORY_V1));
  if (fn_ == nullptr) throw Error(HN_UNSUPPORTED, name_ + ": the plugin has no " HN_FN_V1);
  if (cond_ != nullptr)
    call_quietly("prompt_fields", [&] { prompt_fields_ = cond_->prompt_fields(raw_); });
  // Which of the fields of a later version matters cannot be known here.
  check_flags(prompt_fields_, kAllPromptFields, name_ + ": prompt_fields");
}

Instance::~Instance() {
  call_quietly("destroy", [&] { plugin_.destroy(raw_); });
}

const void* Instance::interface(const char* id) const {
  const void* table = nullptr;
  call_quietly("get_interface", [&] { table = plugin_.get_interface(raw_, id); });
  return table;
}

std::uint64_t Instance::embedding_size() const {
  std::uint64_t size = 0;
  if (cond_ != nullptr && alive())
    call_quietly("embedding_size", [&] { size = cond_->embedding_size(raw_); });
  return size;
}

std::uint64_t Instance::used_bytes() const {
  std::uint64_t bytes = 0;
  if (memory_ != nullptr && alive())
    call_quietly("use", [&] { bytes = hn::used_bytes(*memory_, raw_); });
  return bytes;
}

void Instance::trim() {
  if (memory_ != nullptr && alive() && raw_ != nullptr)
    call_quietly("trim", [&] { memory_->trim(raw_, runtime_.stream); });
}

hn_status Instance::escaped(hn_status thrown, ErrorBuffer& error) const {
  const std::string text = "an exception left the plugin: " + error.text();
  write_error(error.get(), thrown, text);
  return thrown;
}

hn_status Instance::left_changed(Kind kind, const char* what, const std::string& changed,
                                 hn_status status, ErrorBuffer& error) const {
  const std::string text = "the plugin changed " + changed + "; it was put back";
  if (kind != Kind::kCompute && kind != Kind::kFirst) {
    warn(std::string(what) + ": " + text);
    return status;
  }
  if (status != HN_OK) return status;  // that is told
  write_error(error.get(), HN_INTERNAL,
              text + ", but the result depends on it: a call may not leave such a change behind");
  return HN_INTERNAL;
}

void Instance::warn(const std::string& text) const {
  runtime_.services.log(HN_LOG_WARNING, name_ + ": " + text);
}

void Instance::refuse_if_lost(const char* what) const {
  if (lost_)
    throw Error(HN_DEVICE_LOST,
                name_ + ": " + what + ": the device was lost earlier; open a new session");
}

void Instance::before_retry(const char* what, const ErrorBuffer& error) const {
  runtime_.services.log(HN_LOG_WARNING, name_ + ": " + what + ": out of memory (" + error.text() +
                                            "); caches are released, one more try");
  if (runtime_.reclaim) runtime_.reclaim();
}

void Instance::fail(hn_status status, const char* what, const ErrorBuffer& error) {
  if (status == HN_DEVICE_LOST) lost_ = true;
  check(status, error, name_ + ": " + what);
}

}  // namespace hn::core
