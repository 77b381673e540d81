// Options of a user against a manifest.
#include "loader/manifest.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

using ::testing::HasSubstr;
using testing::make_bundle;
using testing::message_of;
using testing::reward_text;
using testing::TempFolder;

class Options : public ::testing::Test {
 protected:
  std::string refused(core::Options options) {
    return message_of(HN_INVALID_ARGUMENT,
                      [&] { check_options(manifest_, options, "[reward x]"); });
  }
  TempFolder folder_;
  Manifest manifest_ = read_manifest(make_bundle(folder_ / "x.hnp", reward_text()));
};

TEST_F(Options, AGoodSetPassesAndIntegersBecomeFloats) {
  core::Options options = {{"crop", false},
                           {"strength", std::int64_t{1}},
                           {"width", std::int64_t{64}},
                           {"preprocess", std::string("official")}};
  check_options(manifest_, options, "");
  EXPECT_TRUE(std::holds_alternative<double>(options["strength"]));
}

TEST_F(Options, BadOnes) {
  EXPECT_THAT(refused({{"strenght", 0.5}}),
              HasSubstr("[reward x] option strenght: unknown to fake; did you mean 'strength'?"));
  EXPECT_THAT(refused({{"crop", std::int64_t{1}}}),
              HasSubstr("expected true or false, got an integer"));
  EXPECT_THAT(refused({{"strength", 1.5}}), HasSubstr("expected at most 1, got 1.5"));
  EXPECT_THAT(refused({{"width", std::int64_t{0}}}), HasSubstr("expected at least 1, got 0"));
  EXPECT_THAT(refused({{"dtype", std::string("fp32")}}),
              HasSubstr("expected one of float32, bfloat16"));
  EXPECT_THAT(refused({{"preprocess", std::string("none")}}), HasSubstr("tensor, official"));
  EXPECT_THAT(refused({{"lora.rank", std::int64_t{4}}}), HasSubstr("use [net] rank"));
  EXPECT_THAT(refused({{"zzz", true}}), HasSubstr("known: "));
}

TEST_F(Options, DefaultsOfTheManifestAreAdded) {
  core::Options options = {{"strength", 0.5}};
  add_defaults(manifest_, options);
  EXPECT_EQ(options.size(), 2u) << "strength has no default, and is given";
  EXPECT_EQ(std::get<bool>(options.at("crop")), true);
  options = {{"crop", false}};
  add_defaults(manifest_, options);
  EXPECT_EQ(std::get<bool>(options.at("crop")), false) << "what is given stays";
}

}  // namespace
}  // namespace hn::host
