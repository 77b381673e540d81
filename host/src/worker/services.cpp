// hn_host_v1 inside of a worker: every question goes to the host, but for whether to stop, which
// stands in shared memory.
#include <hn/cpp/error.hpp>

#include "worker/server.hpp"

namespace hn::worker {

struct Services {
  static Server& self(void* ctx) { return *static_cast<Server*>(ctx); }
  static const void* HN_CALL get_interface(void*, const char*) { return nullptr; }

  static void HN_CALL log(void* ctx, std::int32_t level, hn_str text) {
    send(ctx, Log{level, std::string(view(text))});
  }
  static void HN_CALL progress(void* ctx, hn_str what, std::uint64_t done, std::uint64_t total) {
    send(ctx, Progress{std::string(view(what)), done, total});
  }
  static std::int32_t HN_CALL is_cancelled(void* ctx) {
    const auto* flag =
        reinterpret_cast<const std::atomic<std::uint32_t>*>(self(ctx).control_.data());
    return flag != nullptr && flag->load() != 0 ? 1 : 0;
  }

  template <class Store>
  static hn_status read(const hn_config* config, OptionType type, const char* key, Store&& store) {
    if (config == nullptr || key == nullptr) return HN_NOT_FOUND;
    hn_status status = HN_INTERNAL;
    const hn_status thrown = guard(nullptr, [&] {
      auto& server = *const_cast<Server*>(reinterpret_cast<const Server*>(config));
      const Answer& answer = server.option(type, key);
      status = answer.status;
      if (status == HN_OK) status = store(answer);
    });
    return thrown == HN_OK ? status : thrown;
  }
  static hn_status HN_CALL config_str(const hn_config* c, const char* key, hn_str* out) {
    return read(c, OptionType::kStr, key, [&](const Answer& a) {
      *out = str(a.text);
      return HN_OK;
    });
  }
  static hn_status HN_CALL config_i64(const hn_config* c, const char* key, std::int64_t* out) {
    return read(c, OptionType::kI64, key, [&](const Answer& a) {
      *out = a.integer;
      return HN_OK;
    });
  }
  static hn_status HN_CALL config_f64(const hn_config* c, const char* key, double* out) {
    return read(c, OptionType::kF64, key, [&](const Answer& a) {
      *out = a.number;
      return HN_OK;
    });
  }
  static hn_status HN_CALL config_bool(const hn_config* c, const char* key, std::int32_t* out) {
    return read(c, OptionType::kBool, key, [&](const Answer& a) {
      *out = a.integer != 0 ? 1 : 0;
      return HN_OK;
    });
  }
  static hn_status HN_CALL config_list(const hn_config* c, const char* key, std::uint64_t index,
                                       hn_str* out) {
    return read(c, OptionType::kList, key, [&](const Answer& a) -> hn_status {
      if (index >= a.list.size()) return HN_NOT_FOUND;
      *out = str(a.list[index]);
      return HN_OK;
    });
  }

  // From any of the plugin's threads; a host that is gone hears nothing.
  template <class Event>
  static void send(void* ctx, Event event) noexcept {
    try {
      self(ctx).channel_.send({0, std::move(event)});
    } catch (...) {  // the end of the channel is seen where it is read
    }
  }
};

void Server::fill_table() {
  host_ = {sizeof(hn_host_v1),       HN_ABI_MINOR,           this,
           &Services::get_interface, &Services::log,         &Services::is_cancelled,
           &Services::progress,      &Services::config_str,  &Services::config_i64,
           &Services::config_f64,    &Services::config_bool, &Services::config_list};
}

const Answer& Server::option(OptionType type, const char* key) {
  const std::lock_guard lock(asking_);
  const auto [at, fresh] = options_.try_emplace({type, key});
  if (!fresh) return at->second;
  try {
    channel_.send({0, Ask{static_cast<std::uint8_t>(type), key}});
    Frame frame = channel_.receive().frame;  // the host sends nothing else while a call runs
    auto* answer = std::get_if<Answer>(&frame.message);
    if (answer == nullptr) throw Error(HN_DATA_LOSS, "[worker protocol] expected an answer");
    at->second = std::move(*answer);
  } catch (...) {
    options_.erase(at);
    throw;
  }
  return at->second;
}

}  // namespace hn::worker
