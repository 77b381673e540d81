#include "validate/services.hpp"

#include <atomic>
#include <mutex>

namespace hn::validate {
namespace {

struct KeysRead {
  std::mutex mutex;
  std::set<std::string> keys;
};
KeysRead& keys_of_process() {
  static KeysRead all;
  return all;
}

const core::OptionValue* find(const hn_config* config, const char* key) {
  {
    KeysRead& read = keys_of_process();
    const std::lock_guard lock(read.mutex);
    read.keys.emplace(key);
  }
  const auto& options = *reinterpret_cast<const core::Options*>(config);
  const auto it = options.find(key);
  return it == options.end() ? nullptr : &it->second;
}

template <class T, class Store>
hn_status answer(const hn_config* config, const char* key, Store store) {
  const core::OptionValue* value = find(config, key);
  if (value == nullptr) return HN_NOT_FOUND;
  const T* typed = std::get_if<T>(value);
  if (typed == nullptr) return HN_INVALID_ARGUMENT;
  store(*typed);
  return HN_OK;
}

// A plugin may ask from any thread.
struct Asked {
  std::atomic<std::uint64_t> log{0}, is_cancelled{0}, progress{0};
  std::atomic<bool> cancel{false};
};
Asked& asked() {
  static Asked all;
  return all;
}

const void* get_interface(void*, const char*) { return nullptr; }
void log(void*, std::int32_t, hn_str) { ++asked().log; }
std::int32_t is_cancelled(void*) {
  ++asked().is_cancelled;
  return asked().cancel ? 1 : 0;
}
void progress(void*, hn_str, std::uint64_t, std::uint64_t) { ++asked().progress; }

hn_status config_str(const hn_config* c, const char* key, hn_str* out) {
  return answer<std::string>(c, key, [&](const std::string& v) { *out = str(v); });
}
hn_status config_i64(const hn_config* c, const char* key, std::int64_t* out) {
  return answer<std::int64_t>(c, key, [&](std::int64_t v) { *out = v; });
}
hn_status config_f64(const hn_config* c, const char* key, double* out) {
  std::int64_t whole = 0;
  if (config_i64(c, key, &whole) == HN_OK) {
    *out = static_cast<double>(whole);
    return HN_OK;
  }
  return answer<double>(c, key, [&](double v) { *out = v; });
}
hn_status config_bool(const hn_config* c, const char* key, std::int32_t* out) {
  return answer<bool>(c, key, [&](bool v) { *out = v ? 1 : 0; });
}
hn_status config_list(const hn_config* c, const char* key, std::uint64_t index, hn_str* out) {
  hn_status status = HN_OK;
  const hn_status found =
      answer<std::vector<std::string>>(c, key, [&](const std::vector<std::string>& v) {
        if (index < v.size()) {
          *out = str(v[index]);
        } else {
          status = HN_NOT_FOUND;
        }
      });
  return found == HN_OK ? status : found;
}

constexpr hn_host_v1 kServices = {
    sizeof(hn_host_v1), HN_ABI_MINOR, nullptr,     &get_interface, &log,         &is_cancelled,
    &progress,          &config_str,  &config_i64, &config_f64,    &config_bool, &config_list};

}  // namespace

const hn_host_v1* services() { return &kServices; }

std::set<std::string> keys_read() {
  const std::lock_guard lock(keys_of_process().mutex);
  return keys_of_process().keys;
}

ServiceCalls service_calls() { return {asked().log, asked().is_cancelled, asked().progress}; }

void answer_cancelled(bool yes) { asked().cancel = yes; }

void forget_keys_read() {
  const std::lock_guard lock(keys_of_process().mutex);
  keys_of_process().keys.clear();
}

}  // namespace hn::validate
