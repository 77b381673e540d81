#include <nlohmann/json.hpp>

#include "core/noise_net_folder.hpp"
#include "core/sealed_file.hpp"
#include "unit/core_noise_net_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CoreNoiseNetFolder : public CoreTest {
 protected:
  std::filesystem::path at() const { return folder_ / "net"; }
  nlohmann::json config() const {
    return nlohmann::json::parse(std::ifstream(at() / "noise_net.json"));
  }
  void write(const nlohmann::json& json) const { std::ofstream(at() / "noise_net.json") << json; }
  // A trained low-frequency network in the folder, with what it was trained as.
  SessionSpec saved(NetKind kind = NetKind::kLowFrequency, std::int64_t embedding = 5) const {
    const SessionSpec spec = net_spec(kind, embedding);
    const auto session = open_session(spec, {});
    for (int i = 0; i < 3; ++i) session->train_step();
    session->save_adapter(at());
    return spec;
  }
  // Its tensors changed, and sealed again.
  void rewrite(const std::function<void(std::vector<TensorToWrite>&)>& change) const {
    const auto file = SafetensorsFile::open(at() / "noise_net.safetensors");
    std::vector<TensorToWrite> tensors;
    for (const TensorView& t : file.tensors())
      if (t.name != kSealName) tensors.push_back({t.name, t.dtype, t.shape, t.data, t.nbytes});
    change(tensors);
    write_sealed(at() / "noise_net.safetensors", tensors, file.metadata());
  }
};

TEST_F(CoreNoiseNetFolder, SaysWhatItIs) {
  saved();
  EXPECT_EQ(config(), nlohmann::json({{"format_version", 1},
                                      {"type", "low-frequency"},
                                      {"base_generator", "linear"},
                                      {"noise_shape", {2, 2, 2}},
                                      {"frequencies", 2},
                                      {"width", 6},
                                      {"depth", 2},
                                      {"condition", "pooled"},
                                      {"condition_size", 5}}));
  EXPECT_TRUE(is_noise_net_folder(at()));
  saved(NetKind::kConstant);
  EXPECT_EQ(config(), nlohmann::json({{"format_version", 1},
                                      {"type", "constant"},
                                      {"base_generator", "linear"},
                                      {"noise_shape", {2, 2, 2}}}));
  EXPECT_EQ(SafetensorsFile::open(at() / "noise_net.safetensors").at("offset").shape,
            (std::vector<std::int64_t>{2, 2, 2}));
}

TEST_F(CoreNoiseNetFolder, RoundTripKeepsEveryBit) {
  for (const auto& [kind, embedding] : all_nets()) {
    const SessionSpec spec = saved(kind, embedding);
    const Numbers was = read_numbers(at() / "noise_net.safetensors");
    const auto other = open_session(spec, {});
    other->load_adapter(at());
    EXPECT_EQ(largest_difference(was, net_of(*other, folder_)), 0);
    // A session that begins with it takes its shape too.
    SessionSpec begun = net_spec(kind, embedding);
    begun.net.frequencies = 1;
    begun.net.width = 9;
    begun.net.depth = 1;
    begun.net.file = at();
    EXPECT_EQ(largest_difference(was, net_of(*open_session(begun, {}), folder_)), 0);
  }
}

TEST_F(CoreNoiseNetFolder, AnotherTypeIsNamed) {
  saved(NetKind::kConstant);
  const SessionSpec low = net_spec(NetKind::kLowFrequency, 5);
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               HasSubstr("expected a noise network of type low-frequency (noise_net.json), got a "
                         "noise network of type constant"),
               open_session(low, {})->load_adapter(at()));
  const auto lora = open_session(fake_spec(), {});
  const char* wants_lora =
      "expected a LoRA (net.kind = \"hypernet\"), got a noise network of type "
      "constant";
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr(wants_lora), lora->load_adapter(at()));
  SessionSpec begun = fake_spec();
  begun.net.file = at();
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr(wants_lora), open_session(begun, {}));

  lora->save_adapter(folder_ / "lora");
  SessionSpec constant = net_spec(NetKind::kConstant);
  EXPECT_FAILS(
      HN_INVALID_ARGUMENT,
      AllOf(HasSubstr("expected a noise network of type constant"), HasSubstr("got a LoRA")),
      open_session(constant, {})->load_adapter(folder_ / "lora"));
  constant.net.file = folder_ / "lora";
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("got a LoRA"), open_session(constant, {}));
  std::filesystem::create_directories(folder_ / "empty");
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("got no noise_net.json"),
               open_session(low, {})->load_adapter(folder_ / "empty"));
  EXPECT_FAILS(HN_NOT_FOUND, HasSubstr("there is no such folder"),
               open_session(low, {})->load_adapter(folder_ / "none"));
}

TEST_F(CoreNoiseNetFolder, ItsDescriptionIsReadStrictly) {
  const SessionSpec spec = saved();
  const nlohmann::json good = config();
  const auto session = open_session(spec, {});
  const Numbers before = net_of(*session, folder_);
  const auto refused = [&](hn_status code, const nlohmann::json& json, const char* text) {
    write(json);
    EXPECT_FAILS(code, HasSubstr(text), session->load_adapter(at()));
  };
  const auto with = [&](const char* key, nlohmann::json value) {
    nlohmann::json json = good;
    json[key] = std::move(value);
    return json;
  };
  refused(HN_DATA_LOSS, with("frequences", 3), "frequences");
  refused(HN_UNSUPPORTED, with("format_version", 2), "format_version: expected 1, got 2");
  refused(HN_DATA_LOSS, with("type", "lora"),
          "type: expected \"low-frequency\" or \"constant\", got \"lora\"");
  refused(HN_DATA_LOSS, with("condition", "auto"), "condition: expected \"pooled\" or \"none\"");
  refused(HN_DATA_LOSS, with("width", "6"), "width");
  refused(HN_DATA_LOSS, with("width", 0), "width: expected 1 to 65536, got 0");
  refused(HN_DATA_LOSS, with("depth", 65), "depth: expected 0 to 64, got 65");
  refused(HN_DATA_LOSS, nlohmann::json::array(), "noise_net.json");
  for (const auto& [key, value] : good.items()) {
    nlohmann::json less = good;
    less.erase(key);
    refused(HN_DATA_LOSS, less, key.c_str());
  }
  write(good);
  session->load_adapter(at());
  EXPECT_NE(largest_difference(before, net_of(*session, folder_)), 0);
}

TEST_F(CoreNoiseNetFolder, EverythingThatDoesNotFitIsListedAtOnce) {
  const SessionSpec spec = saved();
  nlohmann::json other = config();
  other["noise_shape"] = {2, 4, 4};
  other["frequencies"] = 1;
  other["width"] = 7;
  other["depth"] = 1;
  other["condition"] = "none";
  other["condition_size"] = 0;
  write(other);
  std::vector<float> bad(8, 1.0f);
  bad[3] = std::numeric_limits<float>::infinity();
  rewrite([&](std::vector<TensorToWrite>& tensors) {
    std::erase_if(tensors, [](const auto& t) { return t.name == "layer.1.bias"; });
    for (TensorToWrite& t : tensors) {
      if (t.name == "layer.2.bias") t.data = bad.data();
      if (t.name == "layer.1.weight") t.shape = {9, 4};
    }
    tensors.push_back({"odd", TensorDtype::kF32, {1}, bad.data(), 4});
  });
  const auto session = open_session(spec, {});
  const Numbers before = net_of(*session, folder_);
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               AllOf(HasSubstr("noise_shape: the session has [2,2,2], the folder [2,4,4]"),
                     HasSubstr("frequencies: the session has 2, the folder 1"),
                     HasSubstr("width: the session has 6, the folder 7"),
                     HasSubstr("depth: the session has 2, the folder 1"),
                     HasSubstr("condition: the session has \"pooled\", the folder \"none\""),
                     HasSubstr("condition_size: the session has 5, the folder 0"),
                     HasSubstr("missing: layer.1.bias"),
                     HasSubstr("layer.2.bias: holds values that are not finite"),
                     HasSubstr("layer.1.weight: expected (6,6), got (9,4)"),
                     HasSubstr("unexpected: odd (1)")),
               session->load_adapter(at()));
  EXPECT_EQ(largest_difference(before, net_of(*session, folder_)), 0);
}

TEST_F(CoreNoiseNetFolder, ChangedBytesAndMissingFilesAreErrors) {
  const SessionSpec spec = saved();
  const auto session = open_session(spec, {});
  {
    std::fstream file(at() / "noise_net.safetensors",
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-40, std::ios::end);  // a number, before the sum
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(-40, std::ios::end);
    file.put(byte);
  }
  EXPECT_FAILS(HN_DATA_LOSS,
               AllOf(HasSubstr("[noise net]"), HasSubstr("noise_net.safetensors is damaged")),
               session->load_adapter(at()));
  std::filesystem::remove(at() / "noise_net.safetensors");
  EXPECT_FAILS(HN_NOT_FOUND, HasSubstr("noise_net.safetensors"), session->load_adapter(at()));
  std::ofstream(folder_ / "file") << "x";
  EXPECT_FAILS(HN_INTERNAL, HasSubstr("[noise net] cannot make the folder"),
               session->save_adapter(folder_ / "file" / "a"));
}

TEST_F(CoreNoiseNetFolder, AnotherGeneratorIsToldOf) {
  SessionSpec spec = saved();
  std::string warned;
  Services services;
  services.log = [&](std::int32_t, std::string_view text) { warned += text; };
  open_session(spec, services)->load_adapter(at());
  EXPECT_EQ(warned, "");
  spec.generator.name = "another";
  open_session(spec, services)->load_adapter(at());
  EXPECT_THAT(warned, HasSubstr("was trained for linear, and this is another"));
}

}  // namespace
}  // namespace hn::core::test
