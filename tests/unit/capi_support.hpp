// A host over fake plugins and the fake core, and an embedder's own things: buffers, prompts,
// hooks.
#pragma once

#include <atomic>
#include <mutex>

#include "host/host.hpp"
#include "support/float_views.hpp"
#include "unit/loader_support.hpp"

namespace hn::host::testing {

inline constexpr const char* kConfig = "generator = \"gen\"\n[[reward]]\nname = \"fake\"\n";

using hn::test::Floats;  // strides may be laid over it

struct Prompts {
  std::vector<hnhost_prompt> prompts;
  std::vector<const hnhost_prompt*> each;

  explicit Prompts(std::initializer_list<const char*> texts) {
    for (const char* text : texts) {
      hnhost_prompt prompt{};
      prompt.struct_size = sizeof(prompt);
      prompt.text = str(text);
      prompts.push_back(prompt);
    }
    for (const hnhost_prompt& prompt : prompts) each.push_back(&prompt);
  }
  Prompts(const Prompts&) = delete;
  Prompts& operator=(const Prompts&) = delete;

  template <class Args>
  void put(Args& args) const {
    args.prompts = each.data();
    args.n_prompts = each.size();
  }
};

template <class Args>
Args sized() {
  Args args{};
  args.struct_size = sizeof(args);
  return args;
}

class CApi : public ::testing::Test {
 public:
  ~CApi() override { hnhost_session_close(session_); }

 protected:
  CApi() {
    // A generator whose binary is the same fake: only its id differs from the reward's.
    make_bundle(folder_ / "p/fake.hnp", reward_text());
    make_bundle(folder_ / "p/gen.hnp",
                replaced(generator_text(), "test.generator.gen", "test.reward.other"), "other_id");
    write_text(folder_ / "p/gen.hnp/prompts/train.txt", "one\ntwo\n");
    host_.reset(new hnhost{Host(options())});  // made in place: a host does not move
  }
  HostOptions options() {
    HostOptions options;
    options.plugin_paths = {(folder_ / "p").string()};
    options.core_file = std::filesystem::path(HN_FAKES) / "libfake_core.so";
    options.core_libtorch = "none";
    options.log = [this](std::int32_t, std::string_view text) {
      const std::lock_guard lock(log_mutex_);
      log_ += std::string(text) + "\n";
      ++logged_;
    };
    return options;
  }

  hn_status open(const std::string& text, const hnhost_hooks* hooks = nullptr,
                 std::uint32_t flags = 0) {
    auto args = sized<hnhost_session_args>();
    args.flags = flags;
    args.config = str(text);
    args.hooks = hooks;
    return hnhost_session_open(host_.get(), &args, &session_, error_.get());
  }
  void open_good() { ASSERT_EQ(open(kConfig), HN_OK) << error_.text(); }

  TempFolder folder_;
  std::mutex log_mutex_;
  std::string log_;
  std::atomic<int> logged_{0};
  std::unique_ptr<hnhost> host_;
  hnhost_session* session_ = nullptr;
  ErrorBuffer error_;
};

}  // namespace hn::host::testing
