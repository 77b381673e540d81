// A plugin as one C++ class: derive from Instance, end the file with HN_PLUGIN(Class,
// "my.reward.x", "1.0.0").
//
// The class is built as Class(const hn::Host&, const hn::Config&). No exception leaves the library.
#pragma once

#include <hn/hn.h>

#include <hn/cpp/config.hpp>
#include <hn/cpp/error.hpp>
#include <hn/cpp/function.hpp>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

// One layer that can carry a LoRA, see hn_layer.
struct LayerSpec {
  std::string name;
  std::int32_t kind = HN_LAYER_LINEAR;
  std::int64_t in_features = 0, out_features = 0;
  std::int32_t kernel_h = 1, kernel_w = 1, groups = 1;
};

struct MemoryUse {
  DLDevice device;
  std::uint64_t bytes = 0;
};

// One created plugin. Entered by one thread at a time, by any thread.
class Instance {
 public:
  explicit Instance(const Host& host) : host_(host) {}
  virtual ~Instance() = default;

  // HN_NOT_FOUND for a name that this plugin does not have; see unknown_function.
  virtual std::unique_ptr<Function> open(std::string_view name, const Config& config) = 0;

  // hn.cond/1: offered when has_cond() is true.
  virtual bool has_cond() const { return false; }
  // HN_PROMPT_* of what encode reads beside the text; prompts with other fields do not come
  // through.
  virtual std::uint32_t prompt_fields() const { return 0; }
  virtual std::vector<std::unique_ptr<Cond>> encode(std::span<const Prompt>, hn_stream) {
    return {};
  }
  virtual std::uint64_t embedding_size() const { return 0; }
  virtual void embedding(const Cond&, hn_stream, const DLTensor&) {
    throw Error(HN_UNSUPPORTED, "[embedding] this plugin has no pooled prompt embedding");
  }

  // hn.adapter/1: offered when has_adapters() is true. The result stays in place until the instance
  // is destroyed.
  virtual bool has_adapters() const { return false; }
  virtual const std::vector<LayerSpec>& layers(std::string_view fn_name) {
    throw unknown_function(fn_name);
  }

  // hn.memory/1: the bytes that are held on each device, the weights included.
  virtual std::vector<MemoryUse> memory_use() const { return {}; }
  virtual void trim(hn_stream) {}

  const Host& host() const { return host_; }

 protected:
  static Error unknown_function(std::string_view name) {
    return {HN_NOT_FOUND, "[open] this plugin has no function '" + std::string(name) + "'"};
  }

 private:
  Host host_;
};

}  // namespace hn

#include <hn/cpp/tables.hpp>

namespace hn {
// The least minor of the host that this layer needs: nothing here asks for more than version 1.0.
inline constexpr std::uint32_t kNeedsMinor = 0;
}  // namespace hn

// The one exported symbol. A class may offer tables that need no instance by a static template
// member, which gets the class itself:
//   template <class Self> static const void* plugin_interface(std::string_view id);
#define HN_PLUGIN(Class, id, version)                                                   \
  extern "C" {                                                                          \
  const hn_plugin_v1 hn_plugin_entry_v1 = {sizeof(hn_plugin_v1),                        \
                                           HN_ABI_MAJOR,                                \
                                           ::hn::kNeedsMinor,                           \
                                           0u,                                          \
                                           HN_STR(id),                                  \
                                           HN_STR(version),                             \
                                           &::hn::tables::create<Class>,                \
                                           &::hn::tables::destroy,                      \
                                           &::hn::tables::get_interface,                \
                                           HN_ABI_MINOR,                                \
                                           0u,                                          \
                                           &::hn::tables::get_plugin_interface<Class>}; \
  }                                                                                     \
  static_assert(true)
