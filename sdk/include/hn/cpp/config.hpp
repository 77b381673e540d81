// The options and services that the host hands to a plugin, as C++ values.
#pragma once

#include <hn/host.h>

#include <cstdint>
#include <hn/cpp/error.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

// Options of one create or open call; valid only during it. An option of the wrong type is
// HN_INVALID_ARGUMENT by name.
class Config {
 public:
  Config(const hn_host_v1* host, const hn_config* raw) : host_(host), raw_(raw) {}

  std::optional<std::string> find_str(const char* key) const {
    hn_str value{};
    return found(host_->config_str(raw_, key, &value), key, "text")
               ? std::optional(std::string(view(value)))
               : std::nullopt;
  }
  std::optional<std::int64_t> find_i64(const char* key) const {
    std::int64_t value = 0;
    return found(host_->config_i64(raw_, key, &value), key, "an integer") ? std::optional(value)
                                                                          : std::nullopt;
  }
  std::optional<double> find_f64(const char* key) const {
    double value = 0;
    return found(host_->config_f64(raw_, key, &value), key, "a number") ? std::optional(value)
                                                                        : std::nullopt;
  }
  std::optional<bool> find_bool(const char* key) const {
    std::int32_t value = 0;
    return found(host_->config_bool(raw_, key, &value), key, "true or false")
               ? std::optional(value != 0)
               : std::nullopt;
  }
  // Absent and empty are the same.
  std::vector<std::string> list(const char* key) const {
    std::vector<std::string> values;
    hn_str value{};
    while (found(host_->config_list(raw_, key, values.size(), &value), key, "a list of texts"))
      values.emplace_back(view(value));
    return values;
  }

  std::string str(const char* key, std::string fallback) const {
    return find_str(key).value_or(std::move(fallback));
  }
  std::int64_t i64(const char* key, std::int64_t fallback) const {
    return find_i64(key).value_or(fallback);
  }
  double f64(const char* key, double fallback) const { return find_f64(key).value_or(fallback); }
  bool boolean(const char* key, bool fallback) const { return find_bool(key).value_or(fallback); }
  // For who hands the same options on to another plugin.
  const hn_config* raw() const { return raw_; }

 private:
  static bool found(hn_status status, const char* key, const char* type) {
    if (status == HN_OK) return true;
    if (status == HN_NOT_FOUND) return false;
    throw Error(HN_INVALID_ARGUMENT,
                std::string("[option ") + key + "] expected " + type + ", got another type");
  }

  const hn_host_v1* host_;
  const hn_config* raw_;
};

// The host's services; copyable, valid as long as the instance lives.
class Host {
 public:
  explicit Host(const hn_host_v1* raw) : raw_(raw) {}

  void log(std::int32_t level, std::string_view text) const {
    raw_->log(raw_->ctx, level, str(text));
  }
  bool cancelled() const { return raw_->is_cancelled(raw_->ctx) != 0; }
  void progress(std::string_view what, std::uint64_t done, std::uint64_t total) const {
    raw_->progress(raw_->ctx, str(what), done, total);
  }
  const hn_host_v1* raw() const { return raw_; }

 private:
  const hn_host_v1* raw_;
};

}  // namespace hn
