// A plugin linked without hn_add_plugin: more exports than the one, and a symbol that the whole
// process would share.
#include <hn/cpp/plugin.hpp>

template <class T>
struct Shared {
  inline static int count = 0;  // STB_GNU_UNIQUE under gcc's default
};

extern "C" HN_EXPORT int loose_helper() { return ++Shared<int>::count; }

namespace {
class Loose final : public hn::Instance {
 public:
  Loose(const hn::Host& host, const hn::Config&) : Instance(host) {}
  std::unique_ptr<hn::Function> open(std::string_view name, const hn::Config&) override {
    throw unknown_function(name);
  }
};
}  // namespace

HN_PLUGIN(Loose, "test.reward.loose", "1.0.0");
