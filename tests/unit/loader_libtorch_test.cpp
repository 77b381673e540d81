// Another LibTorch in the process: found by name and build id, and refused before the core opens.
// A test program of its own, because what it loads stays loaded.
#include <dlfcn.h>

#include "loader/library.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::make_bundle;
using testing::message_of;
using testing::reward_text;
using testing::TempFolder;

const std::string kFakeId = "00112233445566778899aabbccddeeff00112233";
const std::filesystem::path kCore = std::filesystem::path(HN_FAKES) / "libfake_core.so";

TEST(OpenCore, Absent) {
  EXPECT_THAT(message_of(HN_NOT_FOUND, [] { open_core("/nowhere/libhnhost_core.so", "none"); }),
              HasSubstr("built without LibTorch"));
  EXPECT_THAT(message_of(HN_NOT_FOUND, [] { open_core("/nowhere/libhnhost_core.so", "ab"); }),
              HasSubstr("without its core"));
}

TEST(OpenCore, AFileThatIsNoCore) {
  const auto plugin = std::filesystem::path(HN_FAKES) / "libfake_good.so";
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { open_core(plugin, "none"); }),
              HasSubstr("exports no constant hnhost_core_entry_v1"));
}

TEST(OpenCore, ACoreOfAnotherBuild) {
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [] { open_core(kCore, "abcdef"); }),
              HasSubstr("not from one build"));
}

TEST(OpenCore, Good) { EXPECT_NE(open_core(kCore, "none").open_session, nullptr); }

TEST(OpenPlugin, BuiltWithAnotherLibtorchIsRefusedWithTheWayOut) {
  const TempFolder folder;
  const Manifest manifest =
      read_manifest(make_bundle(folder / "fake.hnp", reward_text(), "good", kFakeId));
  EXPECT_THAT(message_of(HN_UNSUPPORTED, [&] { open_plugin(manifest, "abcdef0123"); }),
              AllOf(HasSubstr("plugin fake"), HasSubstr(kFakeId), HasSubstr("abcdef0123"),
                    HasSubstr("isolation = \"process\"")));
  EXPECT_NE(open_plugin_alone(manifest).entry, nullptr) << "no other LibTorch came with it";
}

// Last: from here on this process has the fake.
TEST(Zz, AnotherLibtorchIsRefused) {
  EXPECT_TRUE(loaded_libtorch().empty());
  const std::string other = std::string(HN_FAKES) + "/libtorch_cpu.so";
  ASSERT_NE(dlopen(other.c_str(), RTLD_NOW | RTLD_LOCAL), nullptr) << dlerror();
  const auto loaded = loaded_libtorch();
  ASSERT_EQ(loaded.size(), 1u);
  EXPECT_EQ(loaded[0].build_id, kFakeId);
  EXPECT_EQ(loaded[0].path, other);
  EXPECT_THAT(message_of(HN_UNSUPPORTED, [] { open_core(kCore, "abcdef"); }),
              AllOf(HasSubstr("another LibTorch"), HasSubstr(kFakeId), HasSubstr("abcdef")));
  // The same build is shared: the refusal is then the core's own id.
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [] { open_core(kCore, kFakeId); }),
              HasSubstr("not from one build"));
  // A plugin's own process that found another one than the plugin was built with.
  const TempFolder folder;
  const auto alone = [&](const std::string& id) {
    return open_plugin_alone(
        read_manifest(make_bundle(folder / (id + ".hnp"), reward_text(), "good", id)));
  };
  EXPECT_THAT(message_of(HN_UNSUPPORTED, [&] { alone("abcdef0123"); }),
              AllOf(HasSubstr("plugin fake"), HasSubstr("abcdef0123"), HasSubstr(other),
                    HasSubstr(kFakeId), HasSubstr("LD_LIBRARY_PATH")));
  EXPECT_NE(alone(kFakeId).entry, nullptr);
}

}  // namespace
}  // namespace hn::host
