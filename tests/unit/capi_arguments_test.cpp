// Bad callers of the C API: short structs, unknown flags, poisoned tails, NULLs, texts and prompts
// that are none.
#include <cmath>
#include <cstring>

#include "unit/capi_support.hpp"

namespace hn::host {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;

class Arguments : public CApi {
 protected:
  // One call with a struct whose size is changed; a good one otherwise.
  struct Case {
    const char* name;     // as the message names it
    std::uint32_t* size;  // its struct_size
    std::uint32_t* flags;
    std::function<hn_status()> call;
  };
  std::vector<Case> cases() {
    prompts_.put(sample_);
    sample_.images = &images_.tensor;
    score_.images = &images_.tensor;
    score_.scores = &scores_.tensor;
    open_.config = str(kConfig);
    const auto opened = [this](hn_status status) {
      hnhost_session_close(std::exchange(other_, nullptr));
      return status;
    };
    const auto host = [this](hn_status status) {
      hnhost_close(std::exchange(made_, nullptr));
      return status;
    };
    return {
        {"[hnhost_open] options", &options_.struct_size, &options_.flags,
         [=, this] { return host(hnhost_open(&options_, &made_, error_.get())); }},
        {"[hnhost_session_open] args", &open_.struct_size, &open_.flags,
         [=, this] {
           return opened(hnhost_session_open(host_.get(), &open_, &other_, error_.get()));
         }},
        {"[hnhost_session_open] hooks", &hooks_.struct_size, &hooks_.flags,
         [=, this] {
           open_.hooks = &hooks_;
           const hn_status status =
               opened(hnhost_session_open(host_.get(), &open_, &other_, error_.get()));
           open_.hooks = nullptr;
           return status;
         }},
        {"[hnhost_scorer_open] args", &open_.struct_size, &open_.flags,
         [this] {
           hnhost_scorer* scorer = nullptr;
           const hn_status status =
               hnhost_scorer_open(host_.get(), &open_, 1, &scorer, error_.get());
           hnhost_scorer_close(scorer);
           return status;
         }},
        {"[hnhost_train] hooks", &hooks_.struct_size, &hooks_.flags,
         [this] { return hnhost_train(session_, 1, &hooks_, error_.get()); }},
        {"[hnhost_sample] args", &sample_.struct_size, &sample_.flags,
         [this] { return hnhost_sample(session_, &sample_, error_.get()); }},
        {"[hnhost_sample] prompts 0", &prompts_.prompts[0].struct_size, &prompts_.prompts[0].flags,
         [this] { return hnhost_sample(session_, &sample_, error_.get()); }},
        {"[hnhost_score] args", &score_.struct_size, &score_.flags,
         [this] { return hnhost_score(session_, &score_, error_.get()); }},
    };
  }

  hnhost_options options_ = sized<hnhost_options>();
  hnhost_session_args open_ = sized<hnhost_session_args>();
  hnhost_hooks hooks_ = sized<hnhost_hooks>();
  hnhost_sample_args sample_ = sized<hnhost_sample_args>();
  hnhost_score_args score_ = sized<hnhost_score_args>();
  Prompts prompts_{{"a"}};
  Floats images_{{1, 3, 8, 8}, 0.5f}, scores_{{1}};
  hnhost_session* other_ = nullptr;
  hnhost* made_ = nullptr;
};

TEST_F(Arguments, ShortStructsAreRefusedByTheirNames) {
  open_good();
  for (const Case& c : cases()) {
    const std::uint32_t right = *c.size;
    // hnhost_sample_args grew: callers of the first version have 80 bytes.
    const std::uint32_t first = c.size == &sample_.struct_size ? 80 : right;
    for (const std::uint32_t wrong : {0u, 4u, 8u, first - 1}) {
      *c.size = wrong;
      EXPECT_EQ(c.call(), HN_INVALID_ARGUMENT) << c.name << " " << wrong;
      EXPECT_THAT(
          error_.text(),
          HasSubstr(std::string(c.name) + ": expected struct_size of " + std::to_string(first) +
                    " bytes or more (sizeof the struct), got " + std::to_string(wrong)));
    }
    *c.size = right;
    EXPECT_EQ(c.call(), HN_OK) << c.name << ": " << error_.text();
    for (const std::uint32_t longer : {right + 8, 4096u, UINT32_MAX}) {
      *c.size = longer;  // a newer caller: what it has behind is not read
      EXPECT_EQ(c.call(), HN_OK) << c.name << ": " << error_.text();
    }
    *c.size = right;
  }
}

TEST_F(Arguments, UnknownFlagsAreRefusedByTheirNames) {
  open_good();
  for (const Case& c : cases()) {
    for (const std::uint32_t unknown : {1u << 2, 1u << 7, 1u << 15}) {
      *c.flags = unknown;
      EXPECT_EQ(c.call(), HN_UNSUPPORTED) << c.name << " " << unknown;
      EXPECT_THAT(error_.text(),
                  HasSubstr(std::string(c.name) + ": unknown flags " + std::to_string(unknown)));
    }
    *c.flags = 1u << 31;  // the upper half are hints
    EXPECT_EQ(c.call(), HN_OK) << c.name << ": " << error_.text();
    *c.flags = 0;
  }
}

TEST_F(Arguments, PoisonBehindTheKnownFieldsIsNotRead) {
  open_good();
  struct {
    hnhost_sample_args args;
    unsigned char tail[64];
  } newer;
  std::memset(&newer, 0xa5, sizeof(newer));
  newer.args = sample_;
  newer.args.struct_size = sizeof(newer);
  prompts_.put(newer.args);
  newer.args.images = &images_.tensor;
  EXPECT_EQ(hnhost_sample(session_, &newer.args, error_.get()), HN_OK) << error_.text();
  EXPECT_THAT(images_.data, Each(0.6f));
}

TEST_F(Arguments, AnErrorThatIsTooShortIsRefused) {
  hn_error error{};
  hnhost* host = nullptr;
  for (const std::uint32_t size : {0u, 8u, 31u}) {
    error.struct_size = size;
    EXPECT_EQ(hnhost_open(nullptr, &host, &error), HN_INVALID_ARGUMENT) << size;
    EXPECT_EQ(host, nullptr);
  }
  error.struct_size = sizeof(error);  // without a message: allowed
  EXPECT_EQ(hnhost_open(nullptr, &host, &error), HN_OK);
  hnhost_close(host);
}

TEST_F(Arguments, TheRunningPluginNeedsRoom) {
  hnhost_plugin_call call{};
  EXPECT_EQ(hnhost_running_plugin(nullptr), 0);
  for (const std::uint32_t size : {0u, 39u}) {
    call.struct_size = size;
    EXPECT_EQ(hnhost_running_plugin(&call), 0);
    EXPECT_EQ(call.plugin, nullptr);
  }
}

TEST_F(Arguments, NullsAreNamed) {
  open_good();
  (void)cases();
  hnhost* host = host_.get();
  const hn_str text = str("x");
  const auto poison = reinterpret_cast<hnhost_text*>(8);
  hnhost_text* out = nullptr;
  auto* session_out = reinterpret_cast<hnhost_session*>(8);
  auto* scorer_out = reinterpret_cast<hnhost_scorer*>(8);
  // Whatever is wrong, the out is NULL afterwards.
  const auto cleared = [&](const char* name, hn_status status) {
    EXPECT_EQ(status, HN_INVALID_ARGUMENT) << name;
    EXPECT_THAT(error_.text(), HasSubstr(std::string("[") + name + "]"));
    EXPECT_EQ(out, nullptr) << name;
    out = poison;
  };
  hn_error* e = error_.get();
  out = poison;
  cleared("hnhost_list", hnhost_list(nullptr, text, &out, e));
  cleared("hnhost_inspect", hnhost_inspect(nullptr, text, &out, e));
  cleared("hnhost_resolve", hnhost_resolve(nullptr, text, &out, e));
  cleared("hnhost_rewards", hnhost_rewards(nullptr, &out, e));
  cleared("hnhost_measure_rewards", hnhost_measure_rewards(nullptr, text, nullptr, &out, e));
  cleared("hnhost_inspect_weights", hnhost_inspect_weights(nullptr, text, text, &out, e));
  cleared("hnhost_inspect_layers", hnhost_inspect_layers(nullptr, text, text, &out, e));
  cleared("hnhost_verify_weights", hnhost_verify_weights(nullptr, text, nullptr, &out, e));
  cleared("hnhost_validate", hnhost_validate(nullptr, text, nullptr, &out, e));
  cleared("hnhost_run", hnhost_run(nullptr, text, nullptr, &out, e));
  cleared("hnhost_search", hnhost_search(nullptr, text, nullptr, &out, e));
  cleared("hnhost_headroom", hnhost_headroom(nullptr, text, nullptr, &out, e));
  cleared("hnhost_sample_files", hnhost_sample_files(nullptr, text, nullptr, &out, e));
  cleared("hnhost_score_files", hnhost_score_files(nullptr, text, nullptr, &out, e));
  cleared("hnhost_score_set", hnhost_score_set(nullptr, text, nullptr, &out, e));
  cleared("hnhost_compare_sets", hnhost_compare_sets(nullptr, text, nullptr, &out, e));
  cleared("hnhost_compare", hnhost_compare(nullptr, text, &out, e));
  cleared("hnhost_pull", hnhost_pull(nullptr, text, nullptr, &out, e));
  cleared("hnhost_selftest", hnhost_selftest(nullptr, text, nullptr, &out, e));
  cleared("hnhost_session_describe", hnhost_session_describe(nullptr, &out, e));
  cleared("hnhost_scorer_answer", hnhost_scorer_answer(nullptr, text, nullptr, &out, e));
  EXPECT_EQ(hnhost_session_open(nullptr, &open_, &session_out, e), HN_INVALID_ARGUMENT);
  EXPECT_EQ(session_out, nullptr);
  EXPECT_EQ(hnhost_scorer_open(nullptr, &open_, 1, &scorer_out, e), HN_INVALID_ARGUMENT);
  EXPECT_EQ(scorer_out, nullptr);

  const auto named = [&](const char* what, hn_status status) {
    EXPECT_EQ(status, HN_INVALID_ARGUMENT) << what;
    EXPECT_EQ(error_.text(), what);
  };
  named("[hnhost_open] out is NULL", hnhost_open(nullptr, nullptr, e));
  named("[hnhost_list] out is NULL", hnhost_list(host, text, nullptr, e));
  named("[hnhost_session_open] args is NULL", hnhost_session_open(host, nullptr, &session_out, e));
  named("[hnhost_train] session is NULL", hnhost_train(nullptr, 1, nullptr, e));
  named("[hnhost_sample] args is NULL", hnhost_sample(session_, nullptr, e));
  named("[hnhost_score] session is NULL", hnhost_score(nullptr, &score_, e));
  named("[hnhost_adapter_save] session is NULL", hnhost_adapter_save(nullptr, text, e));
  score_.scores = nullptr;
  named("[hnhost_score] scores is NULL", hnhost_score(session_, &score_, e));
  score_.images = nullptr;
  named("[hnhost_score] images is NULL", hnhost_score(session_, &score_, e));
  sample_.prompts = nullptr;
  named("[hnhost_sample] prompts is NULL", hnhost_sample(session_, &sample_, e));
  const hnhost_prompt* none[] = {nullptr};
  sample_.prompts = none;
  named("[hnhost_sample] prompts 0 is NULL", hnhost_sample(session_, &sample_, e));
  hnhost_session_close(nullptr);
  hnhost_scorer_close(nullptr);
}

TEST_F(Arguments, TextsThatAreNone) {
  const hn_str none = {nullptr, 5};
  hnhost_text* out = nullptr;
  EXPECT_EQ(hnhost_list(host_.get(), none, &out, error_.get()), HN_INVALID_ARGUMENT);
  EXPECT_THAT(error_.text(), HasSubstr("[hnhost_list] kind: expected a text, got NULL of 5 bytes"));
  EXPECT_EQ(hnhost_new(none, none, none, error_.get()), HN_INVALID_ARGUMENT);
  hn_str paths[2] = {str("/a"), {nullptr, 0}};
  options_.plugin_paths = paths;
  options_.n_plugin_paths = 2;
  EXPECT_EQ(hnhost_open(&options_, &made_, error_.get()), HN_INVALID_ARGUMENT);
  EXPECT_THAT(error_.text(), HasSubstr("[hnhost_open] plugin_paths 1: expected a folder"));
  options_.plugin_paths = nullptr;
  EXPECT_EQ(hnhost_open(&options_, &made_, error_.get()), HN_INVALID_ARGUMENT);
  EXPECT_THAT(error_.text(), HasSubstr("[hnhost_open] plugin_paths is NULL"));
}

TEST_F(Arguments, PathsMayHoldColons) {
  const std::string folder = (folder_ / "with:colon").string();
  make_bundle(folder_ / "with:colon/colon.hnp", reward_text("colon"));
  const hn_str path = str(folder);
  options_.plugin_paths = &path;
  options_.n_plugin_paths = 1;
  ASSERT_EQ(hnhost_open(&options_, &made_, error_.get()), HN_OK) << error_.text();
  hnhost_text* text = nullptr;
  EXPECT_EQ(hnhost_inspect(made_, str("colon"), &text, error_.get()), HN_OK) << error_.text();
  hnhost_text_free(text);
  hnhost_close(made_);
}

TEST_F(Arguments, PromptsThatAreNone) {
  open_good();
  (void)cases();
  const auto refused = [&] {
    EXPECT_EQ(hnhost_sample(session_, &sample_, error_.get()), HN_INVALID_ARGUMENT);
    EXPECT_THAT(images_.data, Each(0.5f)) << "nothing is written";
    return error_.text();
  };
  hnhost_prompt& prompt = prompts_.prompts[0];
  prompt.text = {"a\0b", 3};
  EXPECT_THAT(refused(), HasSubstr("[hnhost_sample] prompts 0: expected a text, got a zero byte"));
  prompt.text = {nullptr, 3};
  EXPECT_THAT(refused(), HasSubstr("prompts 0: text: expected a text, got NULL of 3 bytes"));
  prompt.text = str("a");
  prompt.json = str("{\"a\": ");
  EXPECT_THAT(refused(), HasSubstr("[hnhost_sample] prompts 0: json"));
  prompt.json = str("[1]");
  EXPECT_THAT(refused(), HasSubstr("prompts 0: json: expected an object, got [1]"));
  prompt.json = {};
  Floats reference({3, 2, 2}, 0.5f);
  hn_named_tensor named = {str("image"), &reference.tensor};
  prompt.n_tensors = 1;
  EXPECT_THAT(refused(), HasSubstr("[hnhost_sample] prompts 0: tensors is NULL"));
  prompt.tensors = &named;
  reference.data[3] = std::nanf("");
  EXPECT_THAT(refused(), HasSubstr("prompts 0: tensors 0 (image): expected finite numbers"));
  reference.shape[0] = 1;
  EXPECT_THAT(refused(), HasSubstr("tensors 0 (image): expected float32 [3,*,*] on the CPU"));
  named.tensor = nullptr;
  EXPECT_THAT(refused(), HasSubstr("prompts 0: tensors 0 (image) is NULL"));
  named.name = {};
  EXPECT_THAT(refused(), HasSubstr("prompts 0: tensors 0: expected a name, got none"));
  prompt.n_tensors = 65;
  EXPECT_THAT(refused(), HasSubstr("prompts 0: expected at most 64 tensors, got 65"));
  prompt.n_tensors = 0;
  sample_.n_prompts = std::uint64_t{1} << 40;
  EXPECT_THAT(refused(), HasSubstr("expected at most 1048576 prompts, got 1099511627776"));
  sample_.n_prompts = 0;
  EXPECT_THAT(refused(), HasSubstr("[hnhost_sample] expected a prompt for each sample"));
  prompts_.put(sample_);
  sample_.images = nullptr;
  EXPECT_THAT(refused(), HasSubstr("expected images, latents or delta to write to, got none"));
}

}  // namespace
}  // namespace hn::host
