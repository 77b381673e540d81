#include "core/host_services.hpp"

#include <utility>

namespace hn::core {
namespace {

const HostServices& self(void* ctx) { return *static_cast<const HostServices*>(ctx); }

// A plugin's create may hand over no options at all.
const OptionValue* find(const hn_config* config, const char* key) {
  if (config == nullptr || key == nullptr) return nullptr;
  const auto& options = *reinterpret_cast<const Options*>(config);
  const auto it = options.find(key);
  return it == options.end() ? nullptr : &it->second;
}

template <class T, class Store>
hn_status read(const hn_config* config, const char* key, Store&& store) {
  const OptionValue* value = find(config, key);
  if (value == nullptr) return HN_NOT_FOUND;
  const T* typed = std::get_if<T>(value);
  if (typed == nullptr) return HN_INVALID_ARGUMENT;
  store(*typed);
  return HN_OK;
}

// Nothing of this process may unwind through a plugin's frames.
template <class Body>
void quietly(Body&& body) noexcept {
  (void)guard(nullptr, std::forward<Body>(body));
}

const void* HN_CALL get_interface(void*, const char*) { return nullptr; }

void HN_CALL log(void* ctx, std::int32_t level, hn_str text) {
  quietly([&] { self(ctx).log(level, view(text)); });
}

std::int32_t HN_CALL is_cancelled(void* ctx) {
  std::int32_t answer = 0;
  quietly([&] { answer = self(ctx).cancelled() ? 1 : 0; });
  return answer;
}

void HN_CALL progress(void* ctx, hn_str what, std::uint64_t done, std::uint64_t total) {
  quietly([&] { self(ctx).progress(view(what), done, total); });
}

hn_status HN_CALL config_str(const hn_config* config, const char* key, hn_str* out) {
  return read<std::string>(config, key, [&](const std::string& v) { *out = str(v); });
}

hn_status HN_CALL config_i64(const hn_config* config, const char* key, std::int64_t* out) {
  return read<std::int64_t>(config, key, [&](std::int64_t v) { *out = v; });
}

hn_status HN_CALL config_f64(const hn_config* config, const char* key, double* out) {
  const OptionValue* value = find(config, key);
  if (value != nullptr && std::holds_alternative<std::int64_t>(*value)) {
    *out = static_cast<double>(std::get<std::int64_t>(*value));
    return HN_OK;
  }
  return read<double>(config, key, [&](double v) { *out = v; });
}

hn_status HN_CALL config_bool(const hn_config* config, const char* key, std::int32_t* out) {
  return read<bool>(config, key, [&](bool v) { *out = v ? 1 : 0; });
}

hn_status HN_CALL config_list(const hn_config* config, const char* key, std::uint64_t index,
                              hn_str* out) {
  bool past_end = false;
  const hn_status status =
      read<std::vector<std::string>>(config, key, [&](const std::vector<std::string>& v) {
        past_end = index >= v.size();
        if (!past_end) *out = str(v[index]);
      });
  return past_end ? HN_NOT_FOUND : status;
}

}  // namespace

HostServices::HostServices(Services services) : services_(std::move(services)) {
  table_.struct_size = sizeof(hn_host_v1);
  table_.abi_minor = HN_ABI_MINOR;
  table_.ctx = this;
  table_.get_interface = &get_interface;
  table_.log = &core::log;
  table_.is_cancelled = &is_cancelled;
  table_.progress = &core::progress;
  table_.config_str = &config_str;
  table_.config_i64 = &config_i64;
  table_.config_f64 = &config_f64;
  table_.config_bool = &config_bool;
  table_.config_list = &config_list;
}

void HostServices::log(std::int32_t level, std::string_view text) const {
  if (services_.log) services_.log(level, text);
}

void HostServices::progress(std::string_view what, std::uint64_t done, std::uint64_t total) const {
  if (services_.progress) services_.progress(what, done, total);
}

void HostServices::stop_if_cancelled(const char* where) const {
  if (cancelled()) throw Error(HN_CANCELLED, std::string("[") + where + "] stopped by the user");
}

}  // namespace hn::core
