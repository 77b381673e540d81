#include <hn/cpp/config.hpp>

#include "core/host_services.hpp"
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CoreHostServices, OptionsAreTypedValues) {
  const HostServices services({});
  const Options options = {{"flag", true},
                           {"count", std::int64_t{3}},
                           {"ratio", 0.5},
                           {"text", std::string("x")},
                           {"names", std::vector<std::string>{"a", "b"}}};
  const Config config(services.table(), as_config(options));
  EXPECT_EQ(config.find_bool("flag"), true);
  EXPECT_EQ(config.find_i64("count"), 3);
  EXPECT_EQ(config.find_f64("ratio"), 0.5);
  EXPECT_EQ(config.find_f64("count"), 3.0) << "an integer reads as a number";
  EXPECT_EQ(config.find_str("text"), "x");
  EXPECT_THAT(config.list("names"), ElementsAre("a", "b"));
  EXPECT_FALSE(config.find_str("absent").has_value());
  EXPECT_TRUE(config.list("absent").empty());
}

TEST(CoreHostServices, AnotherTypeIsRefusedByName) {
  const HostServices services({});
  const Options options = {{"count", std::string("3")}, {"half", 0.5}, {"names", std::string("a")}};
  const Config config(services.table(), as_config(options));
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("count"), (void)config.find_i64("count"));
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("half"), (void)config.find_i64("half"));
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("half"), (void)config.find_bool("half"));
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("names"), (void)config.list("names"));
}

TEST(CoreHostServices, NoOptionsAtAllMeansDefaults) {
  const HostServices services({});
  EXPECT_FALSE(Config(services.table(), nullptr).find_str("device").has_value());
}

TEST(CoreHostServices, CallsReachTheUserAndNothingIsThrownThroughAPlugin) {
  std::vector<std::string> heard;
  bool stop = false;
  const HostServices services({[&](std::int32_t, std::string_view text) {
                                 heard.emplace_back(text);
                                 if (text == "throw") throw std::runtime_error("from the log");
                               },
                               [&] { return stop; },
                               [&](std::string_view what, std::uint64_t done, std::uint64_t total) {
                                 heard.push_back(std::string(what) + std::to_string(done) + "/" +
                                                 std::to_string(total));
                               }});
  const Host host(services.table());
  host.log(HN_LOG_INFO, "hello");
  host.log(HN_LOG_INFO, "throw");
  host.progress("p", 1, 2);
  EXPECT_THAT(heard, ElementsAre("hello", "throw", "p1/2"));
  EXPECT_FALSE(host.cancelled());
  stop = true;
  EXPECT_TRUE(host.cancelled());
  EXPECT_FAILS(HN_CANCELLED, HasSubstr("somewhere"), services.stop_if_cancelled("somewhere"));
  EXPECT_EQ(services.table()->get_interface(services.table()->ctx, "hn.none/1"), nullptr);
}

TEST(CoreHostServices, EmptyServicesAreAllowed) {
  const HostServices services({});
  const Host host(services.table());
  host.log(HN_LOG_ERROR, "nobody listens");
  host.progress("p", 0, 0);
  EXPECT_FALSE(host.cancelled());
}

}  // namespace
}  // namespace hn::core::test
