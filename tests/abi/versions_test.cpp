// Old plugin with a new host, new plugin with an old host: structs that end early or go on, tried
// on a plugin in plain C (redness) and on one made by the C++ layer.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <hn/cpp/plugin.hpp>
#include <vector>

namespace {

// What the tests need of a host: no options at all.
const void* no_interface(void*, const char*) { return nullptr; }
void no_log(void*, std::int32_t, hn_str) {}
std::int32_t not_cancelled(void*) { return 0; }
void no_progress(void*, hn_str, std::uint64_t, std::uint64_t) {}
hn_status no_str(const hn_config*, const char*, hn_str*) { return HN_NOT_FOUND; }
hn_status no_i64(const hn_config*, const char*, std::int64_t*) { return HN_NOT_FOUND; }
hn_status no_f64(const hn_config*, const char*, double*) { return HN_NOT_FOUND; }
hn_status no_bool(const hn_config*, const char*, std::int32_t*) { return HN_NOT_FOUND; }
hn_status no_list(const hn_config*, const char*, std::uint64_t, hn_str*) { return HN_NOT_FOUND; }

hn_host_v1 plain_host() {
  return {sizeof(hn_host_v1), HN_ABI_MINOR, nullptr, &no_interface, &no_log,  &not_cancelled,
          &no_progress,       &no_str,      &no_i64, &no_f64,       &no_bool, &no_list};
}
const hn_config* no_options() { return reinterpret_cast<const hn_config*>(""); }

// score = sum of the picture, with layers, prompts and a plan, by the C++ layer.
class Sum final : public hn::Instance {
 public:
  Sum(const hn::Host& host, const hn::Config& config) : Instance(host) { config.list("some.list"); }

  class Score final : public hn::Function {
   public:
    Score() {
      inputs_ = {
          {"image_rgb01", "image_rgb01", {HN_DIM_BATCH, 3, HN_DIM_ANY, HN_DIM_ANY}, HN_SLOT_DIFF},
          {"bias", "bias", {HN_DIM_BATCH}, HN_SLOT_OPTIONAL}};
      outputs_ = {{"score", "score", {HN_DIM_BATCH}, HN_SLOT_DIFF}};
    }
    hn_plan plan(const hn::Call& call) override {
      return {0, 0, static_cast<std::uint64_t>(call.batch()), 64};
    }
    struct Kept final : hn::Saved {};
    std::unique_ptr<hn::Saved> forward(const hn::Call& call) override {
      const DLTensor& image = *call.in(0);
      const std::int64_t n = hn::element_count(image) / std::max<std::int64_t>(1, call.batch());
      for (std::int64_t b = 0; b < call.batch(); ++b) {
        float sum = 0;
        for (std::int64_t i = 0; i < n; ++i) sum += hn::data_of<float>(image)[b * n + i];
        hn::data_of<float>(*call.out(0))[b] = sum;
      }
      return call.want_grad() ? std::make_unique<Kept>() : nullptr;
    }
    void backward(hn::Saved&, const hn_vjp& vjp) override {
      if (vjp.n_in == 0 || vjp.grad[0] == nullptr) return;
      const DLTensor& grad = *vjp.grad[0];
      const std::int64_t n = hn::element_count(grad) / grad.shape[0];
      const bool add = vjp.accumulate != nullptr && vjp.accumulate[0] != 0;
      for (std::int64_t i = 0; i < hn::element_count(grad); ++i) {
        const float g = vjp.n_out > 0 && vjp.cotangent[0] != nullptr
                            ? hn::data_of<float>(*vjp.cotangent[0])[i / n]
                            : 0;
        hn::data_of<float>(grad)[i] = (add ? hn::data_of<float>(grad)[i] : 0) + g;
      }
    }
  };

  std::unique_ptr<hn::Function> open(std::string_view name, const hn::Config&) override {
    if (name != "score") throw unknown_function(name);
    return std::make_unique<Score>();
  }
  bool has_cond() const override { return true; }
  std::uint32_t prompt_fields() const override { return HN_PROMPT_JSON; }
  struct Encoded final : hn::Cond {
    std::uint64_t size_bytes() const override { return sizeof *this; }
  };
  std::vector<std::unique_ptr<hn::Cond>> encode(std::span<const hn::Prompt> prompts,
                                                hn_stream) override {
    std::vector<std::unique_ptr<hn::Cond>> made;
    for (std::size_t i = 0; i < prompts.size(); ++i) made.push_back(std::make_unique<Encoded>());
    return made;
  }
  bool has_adapters() const override { return true; }
  const std::vector<hn::LayerSpec>& layers(std::string_view) override { return layers_; }

 private:
  std::vector<hn::LayerSpec> layers_ = {{"blocks.0.to_q", HN_LAYER_LINEAR, 7, 5, 1, 1, 1}};
};

}  // namespace

// Under another name than a plugin's: the test program is not one.
#define hn_plugin_entry_v1 sum_plugin_entry
HN_PLUGIN(Sum, "test.reward.sum", "1.0.0");
#undef hn_plugin_entry_v1

namespace {

const hn_plugin_v1* redness() {
  void* library = ::dlopen(HN_PLUGIN_DIR "/redness.hnp/libredness.so", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nullptr;
  return static_cast<const hn_plugin_v1*>(::dlsym(library, HN_PLUGIN_ENTRY_V1));
}

// A struct in a buffer longer than itself, as a newer peer has it: the tail is junk.
template <class Struct>
struct Longer {
  Struct value{};
  std::array<unsigned char, 64> tail;
  Longer() {
    tail.fill(0xA5);
    value.struct_size = sizeof(*this);
  }
  bool tail_whole() const {
    for (const unsigned char byte : tail)
      if (byte != 0xA5) return false;
    return true;
  }
};

class Versions : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    entry_ = std::string(GetParam()) == "redness" ? redness() : &sum_plugin_entry;
    ASSERT_NE(entry_, nullptr);
    host_ = plain_host();
    ASSERT_EQ(entry_->create(&host_, no_options(), &instance_, error_.get()), HN_OK)
        << error_.text();
    table_ = static_cast<const hn_fn_v1*>(entry_->get_interface(instance_, HN_FN_V1));
    ASSERT_NE(table_, nullptr);
    ASSERT_EQ(table_->open(instance_, HN_STR("score"), no_options(), &fn_, error_.get()), HN_OK)
        << error_.text();
    image_ = view(pixels_.data(), 4, image_shape_, image_strides_);
    score_ = view(scores_.data(), 1, score_shape_, score_strides_);
  }
  void TearDown() override {
    if (saved_ != nullptr) table_->saved_release(fn_, saved_, {kDLCPU, 0, 0});
    table_->close(fn_);
    entry_->destroy(instance_);
  }

  static DLTensor view(void* data, int ndim, std::int64_t* shape, std::int64_t* strides) {
    return {data, {kDLCPU, 0}, ndim, hn::kFloat32, shape, strides, 0};
  }
  template <class Struct>
  void fill(Struct& call, bool want_grad) {
    call.flags = want_grad ? HN_CALL_WANT_GRAD : 0;
    call.stream = {kDLCPU, 0, 0};
    call.in = in_;
    call.n_in = 1;
    call.out = out_;
    call.n_out = 1;
    call.need_grad = want_grad ? need_ : nullptr;
  }
  void fill(hn_vjp& vjp) {
    vjp.stream = {kDLCPU, 0, 0};
    vjp.cotangent = out_;
    vjp.n_out = 1;
    vjp.grad = grad_;
    vjp.n_in = 1;
  }

  const hn_plugin_v1* entry_ = nullptr;
  hn_host_v1 host_{};
  hn_instance* instance_ = nullptr;
  const hn_fn_v1* table_ = nullptr;
  hn_fn* fn_ = nullptr;
  hn_saved* saved_ = nullptr;
  hn::ErrorBuffer error_;
  std::int64_t image_shape_[4] = {2, 3, 1, 2}, image_strides_[4] = {6, 2, 2, 1},
               score_shape_[1] = {2}, score_strides_[1] = {1};
  std::array<float, 12> pixels_ = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  std::array<float, 12> gradient_{};
  std::array<float, 2> scores_{};
  DLTensor image_{}, score_{}, gradient_view_{};
  const DLTensor* in_[1] = {&image_};
  const DLTensor* out_[1] = {&score_};
  const DLTensor* grad_[1] = {&gradient_view_};
  std::uint8_t need_[1] = {1};
};

TEST_P(Versions, NewerCallAndVjpAreReadAsFarAsKnown) {
  hn_call plain{};
  plain.struct_size = sizeof plain;
  fill(plain, false);
  ASSERT_EQ(table_->forward(fn_, &plain, &saved_, error_.get()), HN_OK) << error_.text();
  const auto expected = scores_;
  scores_ = {};
  Longer<hn_call> call;
  fill(call.value, true);
  ASSERT_EQ(table_->forward(fn_, &call.value, &saved_, error_.get()), HN_OK) << error_.text();
  EXPECT_EQ(scores_, expected);
  EXPECT_TRUE(call.tail_whole());
  Longer<hn_vjp> vjp;
  fill(vjp.value);
  gradient_view_ = view(gradient_.data(), 4, image_shape_, image_strides_);
  ASSERT_EQ(table_->backward(fn_, saved_, &vjp.value, error_.get()), HN_OK) << error_.text();
  EXPECT_THAT(gradient_, ::testing::Each(::testing::Ne(0.0f)));
  EXPECT_TRUE(vjp.tail_whole());
}

// Nobody of this ABI has a struct that cannot hold the fields of version 1.0: nothing of it is
// read.
TEST_P(Versions, AVjpShorterThanVersion1IsRefused) {
  hn_call call{};
  call.struct_size = sizeof call;
  fill(call, true);
  ASSERT_EQ(table_->forward(fn_, &call, &saved_, error_.get()), HN_OK) << error_.text();
  hn_vjp vjp{};
  fill(vjp);
  gradient_view_ = view(gradient_.data(), 4, image_shape_, image_strides_);
  gradient_.fill(100.0f);
  for (const std::size_t size : {std::size_t{0}, std::size_t{8}, offsetof(hn_vjp, grad),
                                 offsetof(hn_vjp, accumulate), offsetof(hn_vjp, next)}) {
    vjp.struct_size = static_cast<std::uint32_t>(size);
    EXPECT_EQ(table_->backward(fn_, saved_, &vjp, error_.get()), HN_INVALID_ARGUMENT) << size;
    EXPECT_THAT(gradient_, ::testing::Each(100.0f));
  }
}

TEST_P(Versions, ACallShorterThanVersion1IsRefused) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{4}, std::size_t{8}, offsetof(hn_call, in),
        offsetof(hn_call, saved_budget_bytes), offsetof(hn_call, next)}) {
    hn_call call{};
    fill(call, false);
    call.struct_size = static_cast<std::uint32_t>(size);
    EXPECT_EQ(table_->forward(fn_, &call, &saved_, error_.get()), HN_INVALID_ARGUMENT) << size;
    EXPECT_EQ(saved_, nullptr);
    EXPECT_FALSE(error_.text().empty());
  }
}

TEST_P(Versions, AnswersFitOlderAndNewerStructs) {
  Longer<hn_fn_info> info;
  ASSERT_EQ(table_->info(fn_, &info.value, nullptr), HN_OK);
  EXPECT_EQ(info.value.struct_size, sizeof info);
  EXPECT_EQ(info.value.n_out, 1u);
  EXPECT_TRUE(info.tail_whole());
  Longer<hn_slot> slot;
  ASSERT_EQ(table_->slot(fn_, HN_SLOT_INPUT, 0, &slot.value, nullptr), HN_OK);
  EXPECT_EQ(hn::view(slot.value.name), "image_rgb01");
  EXPECT_EQ(slot.value.ndim, 4);
  EXPECT_TRUE(slot.tail_whole());
  hn_call call{};
  call.struct_size = sizeof call;
  fill(call, true);
  Longer<hn_plan> plan;
  ASSERT_EQ(table_->plan(fn_, &call, &plan.value, error_.get()), HN_OK) << error_.text();
  EXPECT_GE(plan.value.peak_bytes, plan.value.saved_bytes);
  EXPECT_TRUE(plan.tail_whole());

  // An older host, whose hn_slot ended behind the name and whose hn_fn_info had no counts.
  hn_slot old_slot;
  std::memset(&old_slot, 0x5A, sizeof old_slot);
  old_slot.struct_size = offsetof(hn_slot, semantic);
  ASSERT_EQ(table_->slot(fn_, HN_SLOT_OUTPUT, 0, &old_slot, nullptr), HN_OK);
  EXPECT_EQ(hn::view(old_slot.name), "score");
  EXPECT_EQ(old_slot.ndim, 0x5A5A5A5A);
  hn_fn_info old_info;
  std::memset(&old_info, 0x5A, sizeof old_info);
  old_info.struct_size = offsetof(hn_fn_info, n_in);
  ASSERT_EQ(table_->info(fn_, &old_info, nullptr), HN_OK);
  EXPECT_EQ(old_info.n_in, 0x5A5A5A5A5A5A5A5Au);
}

TEST_P(Versions, PlanReadsShapesOnly) {
  hn_call call{};
  call.struct_size = sizeof call;
  fill(call, true);
  image_.data = nullptr;
  score_.data = nullptr;
  hn_plan plan{};
  plan.struct_size = sizeof plan;
  EXPECT_EQ(table_->plan(fn_, &call, &plan, error_.get()), HN_OK) << error_.text();
  EXPECT_EQ(table_->forward(fn_, &call, &saved_, error_.get()), HN_INVALID_ARGUMENT);
}

TEST_P(Versions, ErrorsFitOlderAndNewerStructs) {
  std::array<char, 256> text{};
  Longer<hn_error> error;
  error.value.message = text.data();
  error.value.capacity = text.size();
  hn_fn* none = nullptr;
  EXPECT_EQ(table_->open(instance_, HN_STR("nothing"), no_options(), &none, &error.value),
            HN_NOT_FOUND);
  EXPECT_EQ(error.value.code, HN_NOT_FOUND);
  EXPECT_EQ(error.value.length, std::strlen(text.data()));
  EXPECT_TRUE(error.tail_whole());
  for (const std::uint32_t size : {0u, 4u, 8u, 16u, 24u}) {
    hn_error old{};
    text.fill('x');
    old.struct_size = size;
    old.message = text.data();
    old.capacity = text.size();
    EXPECT_EQ(table_->open(instance_, HN_STR("nothing"), no_options(), &none, &old), HN_NOT_FOUND);
    EXPECT_THAT(text, ::testing::Each('x')) << size;
    EXPECT_EQ(old.length, 0u) << size;
    if (size < 8) {
      EXPECT_EQ(old.code, 0) << size;
    }
  }
}

TEST_P(Versions, ANewerHostTableIsFine) {
  struct {
    hn_host_v1 table;
    void* later[4];
  } host{plain_host(), {}};
  host.table.struct_size = sizeof host;
  host.table.abi_minor = 9;
  hn_instance* instance = nullptr;
  ASSERT_EQ(entry_->create(&host.table, no_options(), &instance, error_.get()), HN_OK)
      << error_.text();
  entry_->destroy(instance);
}

TEST_P(Versions, UnknownFlagsAreUnsupported) {
  hn_call call{};
  call.struct_size = sizeof call;
  fill(call, true);
  call.flags |= 1u << 15;
  EXPECT_EQ(table_->forward(fn_, &call, &saved_, error_.get()), HN_UNSUPPORTED);
  fill(call, true);
  ASSERT_EQ(table_->forward(fn_, &call, &saved_, error_.get()), HN_OK) << error_.text();
  hn_vjp vjp{};
  vjp.struct_size = sizeof vjp;
  fill(vjp);
  gradient_view_ = view(gradient_.data(), 4, image_shape_, image_strides_);
  vjp.flags = 1u << 15;
  EXPECT_EQ(table_->backward(fn_, saved_, &vjp, error_.get()), HN_UNSUPPORTED);
}

// The upper half of the flags are hints: a plugin that does not know one goes on.
TEST_P(Versions, UnknownHintsAreIgnored) {
  hn_call call{};
  call.struct_size = sizeof call;
  fill(call, true);
  call.flags |= 1u << 31;
  ASSERT_EQ(table_->forward(fn_, &call, &saved_, error_.get()), HN_OK) << error_.text();
  hn_vjp vjp{};
  vjp.struct_size = sizeof vjp;
  fill(vjp);
  gradient_view_ = view(gradient_.data(), 4, image_shape_, image_strides_);
  vjp.flags = 1u << 30;
  EXPECT_EQ(table_->backward(fn_, saved_, &vjp, error_.get()), HN_OK) << error_.text();
}

TEST_P(Versions, FurtherArgumentsAreIgnoredUnlessTheyMatter) {
  const hn_next second{sizeof(hn_next), 0, HN_STR("org.example.second/1"), nullptr};
  hn_next first{sizeof(hn_next), 1u << 31, HN_STR("org.example.first/1"), &second};
  hn_call call{};
  call.struct_size = sizeof call;
  fill(call, true);
  call.next = &first;
  ASSERT_EQ(table_->forward(fn_, &call, &saved_, error_.get()), HN_OK) << error_.text();
  hn_vjp vjp{};
  vjp.struct_size = sizeof vjp;
  fill(vjp);
  gradient_view_ = view(gradient_.data(), 4, image_shape_, image_strides_);
  vjp.next = &first;
  EXPECT_EQ(table_->backward(fn_, saved_, &vjp, error_.get()), HN_OK) << error_.text();
  const hn_next critical{sizeof(hn_next), 1, HN_STR("org.example.second/1"), nullptr};
  first.next = &critical;
  EXPECT_EQ(table_->backward(fn_, saved_, &vjp, error_.get()), HN_UNSUPPORTED);
  EXPECT_THAT(error_.text(), ::testing::HasSubstr("org.example.second/1"));
  hn_saved* none = nullptr;
  EXPECT_EQ(table_->forward(fn_, &call, &none, error_.get()), HN_UNSUPPORTED);
  EXPECT_EQ(none, nullptr);
}

INSTANTIATE_TEST_SUITE_P(Plugins, Versions, ::testing::Values("redness", "cpp"),
                         [](const auto& info) { return info.param; });

// A host that lacks functions of version 1.0 is no host of version 1: the C++ layer says so before
// it calls any.
TEST(CppLayer, AHostTableTooShortIsRefused) {
  hn_host_v1 host = plain_host();
  host.struct_size = offsetof(hn_host_v1, config_list);
  hn_instance* instance = nullptr;
  hn::ErrorBuffer error;
  EXPECT_EQ(sum_plugin_entry.create(&host, no_options(), &instance, error.get()),
            HN_INVALID_ARGUMENT);
  EXPECT_EQ(instance, nullptr);
  EXPECT_EQ(sum_plugin_entry.create(nullptr, no_options(), &instance, error.get()),
            HN_INVALID_ARGUMENT);
}

TEST(CppLayer, LayersFitOlderAndNewerStructs) {
  const hn_host_v1 host = plain_host();
  hn_instance* instance = nullptr;
  ASSERT_EQ(sum_plugin_entry.create(&host, no_options(), &instance, nullptr), HN_OK);
  const auto* table =
      static_cast<const hn_adapter_v1*>(sum_plugin_entry.get_interface(instance, HN_ADAPTER_V1));
  ASSERT_NE(table, nullptr);
  Longer<hn_layer> layer;
  ASSERT_EQ(table->layer(instance, HN_STR("score"), 0, &layer.value, nullptr), HN_OK);
  EXPECT_EQ(layer.value.out_features, 5);
  EXPECT_TRUE(layer.tail_whole());
  hn_layer old;
  std::memset(&old, 0x5A, sizeof old);
  old.struct_size = offsetof(hn_layer, out_features);
  ASSERT_EQ(table->layer(instance, HN_STR("score"), 0, &old, nullptr), HN_OK);
  EXPECT_EQ(old.in_features, 7);
  EXPECT_EQ(old.out_features, 0x5A5A5A5A5A5A5A5A);
  sum_plugin_entry.destroy(instance);
}

// Prompts that carry what the plugin does not read, and structs that are no prompts of version 1.
TEST(CppLayer, PromptsAreChecked) {
  const hn_host_v1 host = plain_host();
  hn_instance* instance = nullptr;
  ASSERT_EQ(sum_plugin_entry.create(&host, no_options(), &instance, nullptr), HN_OK);
  const auto* cond =
      static_cast<const hn_cond_v1*>(sum_plugin_entry.get_interface(instance, HN_COND_V1));
  ASSERT_NE(cond, nullptr);
  EXPECT_EQ(cond->prompt_fields(instance), HN_PROMPT_JSON);
  const hn_stream cpu{kDLCPU, 0, 0};
  hn::ErrorBuffer error;
  const auto encode = [&](const hn_prompt& prompt) {
    const hn_prompt* one[] = {&prompt};
    hn_cond* handle = reinterpret_cast<hn_cond*>(&error);
    const hn_status status = cond->encode(instance, one, 1, cpu, &handle, error.get());
    EXPECT_EQ(handle != nullptr, status == HN_OK);
    if (status == HN_OK) cond->release(instance, handle, cpu);
    return status;
  };
  hn_prompt prompt{};
  prompt.struct_size = sizeof prompt;
  prompt.text = HN_STR("a cat");
  prompt.json = HN_STR("{}");
  EXPECT_EQ(encode(prompt), HN_OK) << error.text();
  Longer<hn_prompt> longer;
  longer.value.text = prompt.text;
  EXPECT_EQ(encode(longer.value), HN_OK) << error.text();
  prompt.negative = HN_STR("a dog");
  EXPECT_EQ(encode(prompt), HN_UNSUPPORTED);
  EXPECT_THAT(error.text(), ::testing::HasSubstr("negative"));
  prompt.negative = {};
  hn_named_tensor named{HN_STR("image"), nullptr};
  prompt.tensors = &named;
  prompt.n_tensors = 1;
  EXPECT_EQ(encode(prompt), HN_UNSUPPORTED);
  prompt.n_tensors = 0;
  prompt.flags = 1;
  EXPECT_EQ(encode(prompt), HN_UNSUPPORTED) << "a flag that may change the meaning";
  prompt.flags = 1u << 31;
  EXPECT_EQ(encode(prompt), HN_OK) << "a hint";
  prompt.struct_size = offsetof(hn_prompt, n_tensors);
  EXPECT_EQ(encode(prompt), HN_INVALID_ARGUMENT);
  sum_plugin_entry.destroy(instance);
}

// The entry of a plugin built against a later minor is longer; what version 1.0 knows stands where
// it was.
TEST(CppLayer, ALongerEntryIsReadAsFarAsKnown) {
  Longer<hn_plugin_v1> entry;
  std::memcpy(&entry.value, &sum_plugin_entry, sizeof(hn_plugin_v1));
  entry.value.struct_size = sizeof entry;
  EXPECT_TRUE(HN_HAS(&entry.value, hn_plugin_v1, get_plugin_interface));
  const hn_host_v1 host = plain_host();
  hn_instance* instance = nullptr;
  ASSERT_EQ(entry.value.create(&host, no_options(), &instance, nullptr), HN_OK);
  entry.value.destroy(instance);
  hn_plugin_v1 old = sum_plugin_entry;
  old.struct_size = offsetof(hn_plugin_v1, get_plugin_interface);
  EXPECT_FALSE(HN_HAS(&old, hn_plugin_v1, get_plugin_interface));
}

}  // namespace
