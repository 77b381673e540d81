// The JSON of list and inspect.
#include <nlohmann/json.hpp>

#include "registry/registry.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

using testing::generator_text;
using ::testing::HasSubstr;
using testing::make_bundle;
using testing::message_of;
using testing::reward_text;
using testing::TempFolder;
using testing::write_text;

class RegistryJson : public ::testing::Test {
 protected:
  RegistryJson() {
    make_bundle(
        folder_ / "p/fake.hnp",
        reward_text() +
            "[[weights]]\nname = \"a\"\nfile = \"w/a.bin\"\nrepo = \"embedded\"\nbytes = 3\n"
            "[[weights]]\nname = \"b\"\nfile = \"w/b.bin\"\nrepo = \"embedded\"\nbytes = 3\n"
            "[[weights]]\nname = \"c\"\nfile = \"w/c.bin\"\nrepo = \"embedded\"\n");
    write_text(folder_ / "p/fake.hnp/w/a.bin", "123");
    write_text(folder_ / "p/fake.hnp/w/b.bin", "12");
    make_bundle(folder_ / "p/gen.hnp", generator_text());
    write_text(folder_ / "p/broken.hnp/plugin.toml", "schema = 1\n");
  }
  TempFolder folder_;
};

TEST_F(RegistryJson, List) {
  const Registry registry({{folder_ / "p", true}}, "");
  const auto all = registry.list("");
  EXPECT_EQ(all["plugins"].size(), 3u);
  EXPECT_EQ(all["plugins"][0]["status"], "broken");
  EXPECT_THAT(all["plugins"][0]["reason"].get<std::string>(), HasSubstr("'id' is missing"));
  EXPECT_EQ(all["plugins"][1]["status"], "ok");
  EXPECT_EQ(all["search_path"][0], (folder_ / "p").string());
  ASSERT_EQ(all["rewards"].size(), 1u);
  const auto& reward = all["rewards"][0];
  EXPECT_EQ(reward["name"], "fake");
  EXPECT_EQ(reward["range"], nlohmann::json({-1.0, 1.0}));
  EXPECT_EQ(reward["direction"], "higher");
  EXPECT_EQ(reward["default_weight"], 2.5);
  EXPECT_EQ(reward["loss"]["form"], "3 - s");
  EXPECT_EQ(reward["differentiable"], true);
  ASSERT_EQ(all["generators"].size(), 1u);
  EXPECT_EQ(all["generators"][0]["default_model"], "gen-small");
  ASSERT_EQ(all["models"].size(), 2u);
  EXPECT_EQ(all["models"][1]["weights_required"], true);
  EXPECT_TRUE(all["models"][1]["weights"].is_null());
}

TEST_F(RegistryJson, ListOfOneKind) {
  const Registry registry({{folder_ / "p", true}}, "");
  EXPECT_EQ(registry.list("models").size(), 1u);
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { registry.list("model"); }),
              HasSubstr("did you mean 'models'?"));
}

TEST_F(RegistryJson, InspectLooksForTheWeights) {
  const Registry registry({{folder_ / "p", true}}, "");
  const auto json = registry.inspect("fake");
  EXPECT_EQ(json["kind"], "reward");
  EXPECT_EQ(json["path"], (folder_ / "p/fake.hnp").string());
  EXPECT_EQ(json["weights"][0]["state"], "present");
  EXPECT_EQ(json["weights"][1]["state"], "wrong size");
  EXPECT_EQ(json["weights"][2]["state"], "missing");
  EXPECT_EQ(json["options"][0]["key"], "crop");
  EXPECT_EQ(json["options"][0]["default"], true);
  EXPECT_TRUE(json["options"][1]["default"].is_null());
  EXPECT_EQ(json["pitfalls"], nlohmann::json::array());
  EXPECT_EQ(json["known_values"], nlohmann::json::array());
  EXPECT_EQ(json["detectors"], nlohmann::json::array());
  const auto model = registry.inspect("gen-large");
  EXPECT_EQ(model["model"], "gen-large");
  EXPECT_EQ(model["models"][0]["weights_state"], "missing");
  EXPECT_EQ(model["models"][1]["weights_state"], "the user's");
}

}  // namespace
}  // namespace hn::host
