#include <nlohmann/json.hpp>

#include "core/adapter.hpp"
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CoreAdapter : public CoreTest {
 protected:
  nlohmann::json config() {
    return nlohmann::json::parse(std::ifstream(folder_ / "a" / "adapter_config.json"));
  }
};

TEST_F(CoreAdapter, StartsAsPeftDoes) {
  SessionSpec spec = fake_spec();
  spec.net.rank = 64;
  const auto session = open_session(spec, {});
  EXPECT_EQ(session->shapes().trainable, 2u * 64 * fake::kNoise);
  const Numbers n = adapter_of(*session, folder_);
  EXPECT_THAT(n.at(kB), Each(0.0f));
  const float bound = 1 / std::sqrt(8.0f);
  double squares = 0;
  for (const float a : n.at(kA)) {
    EXPECT_LE(std::abs(a), bound);
    squares += static_cast<double>(a) * a / 512;
  }
  EXPECT_NEAR(squares, bound * bound / 3, 0.006) << "uniform in +-1/sqrt(fan_in)";
}

TEST_F(CoreAdapter, WritesWhatPeftReads) {
  const auto session = open_session(fake_spec(), {});
  session->save_adapter(folder_ / "a");
  const nlohmann::json c = config();
  EXPECT_EQ(c.at("peft_type"), "LORA");
  EXPECT_EQ(c.at("r"), 2);
  EXPECT_TRUE(c.at("lora_alpha").is_number_integer());
  EXPECT_EQ(c.at("lora_alpha"), 4);
  EXPECT_EQ(c.at("target_modules"), nlohmann::json::array({"net.0.to_q"}));
  EXPECT_EQ(c.at("base_model_name_or_path"), "linear");
  const auto file = SafetensorsFile::open(folder_ / "a" / "adapter_model.safetensors");
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.at(kA).shape, (std::vector<std::int64_t>{2, 8}));
  EXPECT_EQ(file.at(kB).shape, (std::vector<std::int64_t>{8, 2}));
}

TEST_F(CoreAdapter, TargetsThatWouldCatchOtherLayersBecomeARegularExpression) {
  const HostServices services({});
  Runtime runtime{services, {kDLCPU, 0, 0}, {}};
  Instance instance(runtime, {fake::generator_plugin(), "g", ""}, "linear", {});
  const FunctionClient fn(instance, "noise_net", {{"lora.rank", std::int64_t{2}}});
  const Adapter adapter(fn, fake_spec().net, 0, at::kCPU, "linear");
  save_peft(adapter, {"net.0.to_q", "other_net.0.to_q"}, folder_ / "a");
  EXPECT_EQ(config().at("target_modules"), nlohmann::json::array({"net.0.to_q"}));
  save_peft(adapter, {"net.0.to_q", "block.net.0.to_q"}, folder_ / "a");
  EXPECT_EQ(config().at("target_modules"), "net\\.0\\.to_q");
}

TEST_F(CoreAdapter, RoundTripKeepsEveryBit) {
  const Numbers numbers = busy_adapter();
  const auto session = open_session(fake_spec(), {});
  set_adapter(*session, numbers, folder_);
  session->save_adapter(folder_ / "a");
  const auto other = open_session(fake_spec(), {});
  other->load_adapter(folder_ / "a");
  EXPECT_EQ(largest_difference(numbers, adapter_of(*other, folder_)), 0);
}

TEST_F(CoreAdapter, HalfPrecisionIsRead) {
  const auto session = open_session(fake_spec(), {});
  session->save_adapter(folder_ / "a");
  const std::vector<std::uint16_t> half(16, 0x3800), brain(16, 0x3f00);  // 0.5 both
  const std::vector<TensorToWrite> tensors = {{kA, TensorDtype::kF16, {2, 8}, half.data(), 32},
                                              {kB, TensorDtype::kBF16, {8, 2}, brain.data(), 32}};
  write_safetensors(folder_ / "a" / "adapter_model.safetensors", tensors);
  session->load_adapter(folder_ / "a");
  const Numbers n = adapter_of(*session, folder_);
  EXPECT_THAT(n.at(kA), Each(0.5f));
  EXPECT_THAT(n.at(kB), Each(0.5f));
}

TEST_F(CoreAdapter, EverythingThatDoesNotFitIsListedAtOnce) {
  const auto session = open_session(fake_spec(), {});
  const Numbers before = adapter_of(*session, folder_);
  session->save_adapter(folder_ / "a");
  nlohmann::json c = config();
  c["r"] = 5;
  c["lora_alpha"] = 2.5;
  c["peft_type"] = "LOHA";
  c["use_dora"] = true;
  c["rank_pattern"] = {{"net", 3}};
  std::ofstream(folder_ / "a" / "adapter_config.json") << c;
  const std::vector<float> some(40, 1.0f);
  const std::vector<TensorToWrite> tensors = {{kA, TensorDtype::kF32, {5, 8}, some.data(), 160},
                                              {"odd", TensorDtype::kF32, {1}, some.data(), 4}};
  write_safetensors(folder_ / "a" / "adapter_model.safetensors", tensors);
  EXPECT_FAILS(
      HN_INVALID_ARGUMENT,
      AllOf(HasSubstr("rank: the session has 2, the adapter 5"),
            HasSubstr("alpha: the session has 4, the adapter 2.5"),
            HasSubstr("peft_type: expected LORA, got LOHA"), HasSubstr("use_dora"),
            HasSubstr("rank_pattern"), HasSubstr(std::string(kA) + ": expected (2,8), got (5,8)"),
            HasSubstr(std::string("missing: ") + kB), HasSubstr("unexpected: odd (1)")),
      session->load_adapter(folder_ / "a"));
  EXPECT_EQ(largest_difference(before, adapter_of(*session, folder_)), 0);
}

TEST_F(CoreAdapter, BrokenFoldersAreErrors) {
  const auto session = open_session(fake_spec(), {});
  EXPECT_FAILS(HN_NOT_FOUND, HasSubstr("none: expected a weights file"),
               session->load_adapter(folder_ / "none"));
  session->save_adapter(folder_ / "a");
  std::filesystem::remove(folder_ / "a" / "adapter_model.safetensors");
  EXPECT_FAILS(HN_NOT_FOUND, HasSubstr("adapter_model.safetensors"),
               session->load_adapter(folder_ / "a"));
  session->save_adapter(folder_ / "a");
  std::ofstream(folder_ / "a" / "adapter_config.json") << "{\"r\": 2";
  EXPECT_FAILS(HN_DATA_LOSS, HasSubstr("adapter_config.json"),
               session->load_adapter(folder_ / "a"));
  std::ofstream(folder_ / "a" / "adapter_config.json") << "{\"lora_alpha\": 4}";
  EXPECT_FAILS(HN_DATA_LOSS, HasSubstr("r"), session->load_adapter(folder_ / "a"));
  std::ofstream(folder_ / "file") << "x";
  EXPECT_FAILS(HN_INTERNAL, HasSubstr("cannot make the folder"),
               session->save_adapter(folder_ / "file" / "a"));
}

TEST_F(CoreAdapter, AFunctionWithoutParametersCarriesNone) {
  const HostServices services({});
  Runtime runtime{services, {kDLCPU, 0, 0}, {}};
  Instance instance(runtime, {fake::generator_plugin(), "g", ""}, "linear", {});
  const FunctionClient fn(instance, "generate", {});
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("carries no adapters"),
               Adapter(fn, {}, 0, at::kCPU, "linear"));
}

}  // namespace
}  // namespace hn::core::test
