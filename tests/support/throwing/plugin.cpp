// Throws whatever the function's name asks for, from a library with a libstdc++ of its own: there
// an exception that escaped would end the process, so this proves that the C++ layer lets none out.
#include <filesystem>
#include <hn/cpp/plugin.hpp>
#include <new>
#include <stdexcept>

namespace {

[[noreturn]] void throw_by_name(std::string_view name) {
  if (name == "error") throw hn::Error(HN_DATA_LOSS, "[throwing] data loss");
  if (name == "memory") throw std::bad_alloc();
  if (name == "runtime") throw std::runtime_error("a runtime error");
  if (name == "system") (void)std::filesystem::file_size("/nonexistent/file");
  if (name == "number") throw 42;
  if (name == "text") throw "a text";
  throw hn::Error(HN_NOT_FOUND, "[throwing] no function");
}

struct Encoded final : hn::Cond {
  std::uint64_t size_bytes() const override { throw std::runtime_error("size"); }
};

class Throwing final : public hn::Instance {
 public:
  Throwing(const hn::Host& host, const hn::Config& config) : Instance(host) {
    if (const auto name = config.find_str("throw")) throw_by_name(*name);
  }
  std::unique_ptr<hn::Function> open(std::string_view name, const hn::Config&) override {
    throw_by_name(name);
  }
  bool has_cond() const override { return true; }
  std::vector<std::unique_ptr<hn::Cond>> encode(std::span<const hn::Prompt> prompts,
                                                hn_stream) override {
    std::vector<std::unique_ptr<hn::Cond>> made;
    for (const hn::Prompt& prompt : prompts) {
      if (prompt.text() != "fine") throw_by_name(prompt.text());
      made.push_back(std::make_unique<Encoded>());
    }
    return made;
  }
  std::uint64_t embedding_size() const override { throw std::runtime_error("embedding size"); }
  std::vector<hn::MemoryUse> memory_use() const override { throw std::runtime_error("used bytes"); }
  void trim(hn_stream) override { throw std::runtime_error("trim"); }
};

}  // namespace

HN_PLUGIN(Throwing, "test.reward.throwing", "1.0.0");
