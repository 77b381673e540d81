// Where a text encoder stays once it is not needed: options text_encoder = "keep" | "free" | "cpu".
#pragma once

#include <functional>
#include <hn/cpp/config.hpp>
#include <hn/nn/model_options.hpp>
#include <memory>
#include <utility>

namespace hn {

enum class TextEncoderMode {
  kKeep,  // on the model's device, from the beginning
  kFree,  // loaded when a prompt is encoded, freed when the next pass of the generator begins
  kCpu    // held and run on the CPU; only the prompts' states go to the device
};

// HN_INVALID_ARGUMENT lists the choices.
inline TextEncoderMode text_encoder_option(const Config& config) {
  const std::string name = choice_option(config, "text_encoder", {"keep", "free", "cpu"});
  return name == "free"  ? TextEncoderMode::kFree
         : name == "cpu" ? TextEncoderMode::kCpu
                         : TextEncoderMode::kKeep;
}

// Something that is loaded when it is first needed, and may be freed and loaded again. One thread
// at a time.
template <class T>
class OnDemand {
 public:
  OnDemand() = default;
  // now: load at once.
  OnDemand(std::function<std::unique_ptr<T>()> load, bool now) : load_(std::move(load)) {
    if (now) get();
  }

  T& get() const {
    if (!value_) {
      value_ = load_();
      ++loads_;
    }
    return *value_;
  }
  void free() const { value_.reset(); }
  bool loaded() const { return value_ != nullptr; }
  int loads() const { return loads_; }

 private:
  std::function<std::unique_ptr<T>()> load_;
  mutable std::unique_ptr<T> value_;
  mutable int loads_ = 0;
};

}  // namespace hn
