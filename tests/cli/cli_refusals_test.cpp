// Folders that a generator cannot use: everything that is wrong with them, in one message.
#include "cli/cli_support.hpp"
#include "cli/weights_folder.hpp"

namespace hn::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const fs::path kSource = HN_SOURCE_DIR;

struct Pipeline {
  const char* name;     // of the plugin
  const char* weights;  // below the source tree
  const char* network;
  const char* text;          // the encoder that gives the tokens' states
  const char* foreign_text;  // another pipeline's folder of it, below the source tree
  const char* pipeline;      // classes
  const char* scheduler;
  const char* vae;
  const char* text_width;  // the network's name of the text encoder's width
};

void PrintTo(const Pipeline& p, std::ostream* out) { *out << p.name; }

constexpr const char* kSd = "tests/golden/sd_turbo/plain";
constexpr const char* kEmoji = "plugins/generators/sana_sprint/weights/emoji-sprint";
const Pipeline kPipelines[] = {
    {"sana_sprint", kEmoji, "transformer", "text_encoder",
     "tests/golden/sd_turbo/plain/text_encoder", "SanaSprintPipeline", "SCMScheduler",
     "AutoencoderDC", "caption_channels"},
    {"sd_turbo", kSd, "unet", "text_encoder",
     "plugins/generators/sana_sprint/weights/emoji-sprint/text_encoder", "StableDiffusionPipeline",
     "EulerDiscreteScheduler", "AutoencoderKL", "cross_attention_dim"},
    {"flux_schnell", "tests/golden/flux_schnell/plain", "transformer", "text_encoder_2",
     "tests/golden/sd_turbo/plain/text_encoder", "FluxPipeline", "FlowMatchEulerDiscreteScheduler",
     "AutoencoderKL", "joint_attention_dim"}};

class Refused : public ::testing::TestWithParam<Pipeline> {
 protected:
  void SetUp() override { copy_weights(kSource / GetParam().weights, folder()); }
  fs::path folder() const { return folder_.path() / "weights"; }
  fs::path network() const { return folder() / GetParam().network; }
  fs::path file(const fs::path& part) const {
    for (const auto& entry : fs::directory_iterator(part))
      if (entry.path().extension() == ".safetensors") return entry.path();
    return {};
  }
  // Changes one field of a JSON file, or makes the file.
  void set(const fs::path& json, const std::string& key, const nlohmann::json& value) const {
    auto read = fs::exists(json) ? nlohmann::json::parse(read_bytes(json)) : nlohmann::json();
    read[key] = value;
    std::ofstream(json) << read;
  }
  Outcome open() const {
    return hnhost({"sample", "--generator", GetParam().name, "--weights", folder().string(),
                   "--prompt", "a star", "--threads", "1", "--dtype", "float32", "--latents-out",
                   (folder_.path() / "latents").string()});
  }
  std::string refusal() const {
    const Outcome outcome = open();
    EXPECT_EQ(outcome.code, 1);
    EXPECT_FALSE(fs::exists(folder_.path() / "latents"));
    return outcome.err;
  }
  TestFolder folder_;
};

TEST_P(Refused, NotWhenItIsWhole) {
  EXPECT_EQ(open().code, 0) << open().err;
  shard_weights(network());
  EXPECT_EQ(open().code, 0) << open().err << "in shards";
}

TEST_P(Refused, ForOneThingItIsToldAlone) {
  fs::remove_all(folder() / "vae");
  const std::string text = refusal();
  EXPECT_THAT(text, HasSubstr((folder() / "vae/config.json").string()));
  EXPECT_THAT(text, Not(HasSubstr(GetParam().network)));
}

TEST_P(Refused, WithEveryProblemAtOnce) {
  std::string bent;
  rewrite_weights(file(network()), [&](auto& tensors) {
    bent = tensors.front().name;
    tensors.front().shape = {3};
  });
  const fs::path half = file(folder() / "vae");
  fs::resize_file(half, fs::file_size(half) / 2);
  fs::remove_all(folder() / "tokenizer");
  set(folder() / "scheduler/scheduler_config.json", "_class_name", "DDIMScheduler");
  set(folder() / "model_index.json", "_class_name", "OtherPipeline");
  const auto& p = GetParam();
  EXPECT_THAT(refusal(),
              AllOf(HasSubstr(bent), HasSubstr("got [3]"), HasSubstr(half.string()),
                    HasSubstr((folder() / "tokenizer").string()),
                    HasSubstr(std::string("expected ") + p.scheduler + ", got DDIMScheduler"),
                    HasSubstr(std::string("expected ") + p.pipeline + ", got OtherPipeline")));
}

TEST_P(Refused, WithPartsOfAnotherPipeline) {
  const fs::path text = folder() / GetParam().text;
  fs::remove_all(text);
  copy_weights(kSource / GetParam().foreign_text, text);
  set(folder() / "vae/config.json", "_class_name", "AutoencoderTiny");
  set(network() / "config.json", "_class_name", "OtherModel");
  const std::string refused = refusal();
  EXPECT_THAT(refused,
              AllOf(HasSubstr((text / "config.json").string()), HasSubstr("model_type"),
                    HasSubstr(std::string("expected ") + GetParam().vae + ", got AutoencoderTiny"),
                    HasSubstr("got OtherModel")));
}

TEST_P(Refused, WithShardsThatAreMissingOrCut) {
  const auto shards = shard_weights(network());
  fs::remove(shards[0]);
  fs::resize_file(shards[1], fs::file_size(shards[1]) / 2);
  fs::remove(shards[2]);
  const std::string text = refusal();
  for (const fs::path& shard : shards) EXPECT_THAT(text, HasSubstr(shard.filename().string()));
}

// A width that the network's configuration has and the text encoder has not, beside the tensors
// that are now misshapen.
TEST_P(Refused, WithWidthsThatDoNotMeet) {
  const std::string field = GetParam().text_width;
  set(network() / "config.json", field, 12);
  EXPECT_THAT(refusal(), AllOf(HasSubstr(field + " is 12"), HasSubstr("wrong shape")));
}

INSTANTIATE_TEST_SUITE_P(Generators, Refused, ::testing::ValuesIn(kPipelines),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace hn::test
