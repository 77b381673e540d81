// From a manifest to an entry: every lie and every foreign file is an error by code and text.
#include <hn/plugin.h>

#include "loader/library.hpp"
#include "support/cat.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::make_bundle;
using testing::message_of;
using testing::replaced;
using testing::reward_text;
using testing::TempFolder;
using testing::write_text;

class Library : public ::testing::Test {
 protected:
  core::Plugin open(const std::string& fake, const std::string& text = reward_text()) {
    return open_plugin(read_manifest(make_bundle(folder_ / (fake + ".hnp"), text, fake)), "none");
  }
  // A bundle around a file with these bytes; the manifest's hash fits.
  std::string refused_file(const std::string& bytes) {
    const auto bundle = make_bundle(folder_ / "foreign.hnp", reward_text());
    const std::string before = sha256_file(bundle / "libfake.so");
    write_text(bundle / "libfake.so", bytes);
    write_text(bundle / "plugin.toml", replaced(read_file(bundle / "plugin.toml"), before,
                                                sha256_file(bundle / "libfake.so")));
    return message_of(HN_INVALID_ARGUMENT, [&] { open_plugin(read_manifest(bundle), "none"); });
  }
  TempFolder folder_;
};

TEST_F(Library, OpensAGoodPlugin) {
  const core::Plugin plugin = open("good");
  ASSERT_NE(plugin.entry, nullptr);
  EXPECT_EQ(view(plugin.entry->id), "test.reward.fake");
  EXPECT_EQ(plugin.id, "test.reward.fake");
  EXPECT_EQ(plugin.bundle, folder_ / "good.hnp");
}

TEST_F(Library, OpensAPluginWithFieldsOfALaterMinor) {
  EXPECT_GT(open("long").entry->struct_size, sizeof(hn_plugin_v1));
}

TEST_F(Library, WhatTheManifestHoldsBesideIsToldWhenItIsUsed) {
  std::string text = replaced(reward_text(), "text_limit", "gamma = 2.0\ntext_limit");
  for (const char* key : {"crop", "strength"})
    text = replaced(text, cat("\"", key, "\""), cat("\"test.", key, "\""));
  std::vector<std::string> told;
  open_plugin(read_manifest(make_bundle(folder_ / "newer.hnp", text)), "none",
              [&](const std::string& warning) { told.push_back(warning); });
  EXPECT_THAT(told, ::testing::Contains(AllOf(HasSubstr("plugin fake: "), HasSubstr("plugin.toml:"),
                                              HasSubstr("[reward] gamma: unknown key"))));
}

TEST_F(Library, AChangedLibraryIsNotOpened) {
  const auto bundle = make_bundle(folder_ / "x.hnp", reward_text());
  std::ofstream(bundle / "libfake.so", std::ios::app) << "more";
  EXPECT_THAT(message_of(HN_DATA_LOSS, [&] { open_plugin(read_manifest(bundle), "none"); }),
              AllOf(HasSubstr("expected sha256"), HasSubstr("libfake.so")));
}

TEST_F(Library, ForeignFiles) {
  EXPECT_THAT(refused_file("just text\n"), HasSubstr("cannot be opened"));
  EXPECT_THAT(refused_file(""), HasSubstr("cannot be opened"));
  const std::string elf = read_file(std::filesystem::path(HN_FAKES) / "libfake_good.so");
  EXPECT_THAT(refused_file(elf.substr(0, 100)), HasSubstr("cannot be opened"));
}

TEST_F(Library, LibrariesWithoutAnEntry) {
  for (const char* fake : {"no_entry", "function_entry"})
    EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { open(fake); }),
                HasSubstr("exports no constant hn_plugin_entry_v1"))
        << fake;
}

TEST_F(Library, EntriesThatLie) {
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { open("short"); }),
              HasSubstr("expected an entry of at least 88 bytes, its struct_size is 40"));
  EXPECT_THAT(message_of(HN_UNSUPPORTED, [&] { open("newer_minor"); }),
              HasSubstr("needs version 1.1 of the ABI"));
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { open("other_id"); }),
              HasSubstr("the manifest says id 'test.reward.fake', the binary 'test.reward.other'"));
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { open("other_version"); }),
              HasSubstr("the manifest says version '1.2.3', the binary '9.9.9'"));
  EXPECT_THAT(message_of(HN_UNSUPPORTED, [&] { open("flagged"); }), HasSubstr("entry flags"));
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { open("no_create"); }), HasSubstr("is NULL"));
}

TEST_F(Library, ManifestsOfAnotherAbi) {
  const auto bundle = make_bundle(folder_ / "x.hnp", reward_text());
  const std::string good = read_file(bundle / "plugin.toml");
  const auto refused = [&](hn_status code, const char* from, const char* to) {
    write_text(bundle / "plugin.toml", replaced(good, from, to));
    return message_of(code, [&] { open_plugin(read_manifest(bundle), "none"); });
  };
  EXPECT_THAT(refused(HN_UNSUPPORTED, "major = 1", "major = 2"), HasSubstr("version 2 of the ABI"));
  EXPECT_THAT(refused(HN_UNSUPPORTED, "min_minor = 0", "min_minor = 5"),
              HasSubstr("needs version 1.5 of the ABI, this host has 1.0"));
}

TEST_F(Library, AnotherLibtorchIsRefusedBeforeTheLibraryIsOpened) {
  const auto bundle =
      make_bundle(folder_ / "x.hnp", reward_text(), "good", "00112233445566778899aabb");
  EXPECT_THAT(message_of(HN_UNSUPPORTED, [&] { open_plugin(read_manifest(bundle), "none"); }),
              HasSubstr("LibTorch of build id 00112233445566778899aabb, this host has none"));
  EXPECT_THAT(
      message_of(HN_UNSUPPORTED, [&] { open_plugin(read_manifest(bundle), "ffff0000ffff"); }),
      HasSubstr("this host has ffff0000ffff"));
  EXPECT_NE(open_plugin(read_manifest(bundle), "00112233445566778899aabb").entry, nullptr);
}

TEST_F(Library, AnExchangedFileIsRefused) {
  const auto bundle = make_bundle(folder_ / "x.hnp", reward_text());
  EXPECT_NE(open_plugin(read_manifest(bundle), "none").entry, nullptr);
  EXPECT_NE(open_plugin(read_manifest(bundle), "none").entry, nullptr) << "opened again";
  // Built again while the process lives: the linker knows the path and gives what it has.
  std::filesystem::remove_all(bundle);
  make_bundle(bundle, reward_text(), "long");
  EXPECT_THAT(message_of(HN_DATA_LOSS, [&] { open_plugin(read_manifest(bundle), "none"); }),
              AllOf(HasSubstr("libfake.so"), HasSubstr("is not the file that was checked")));
}

TEST(CheckEntry, ATruncatedStructOfAnOlderPeer) {
  Manifest m;
  m.id = "a.b";
  m.version = "1.0.0";
  hn_plugin_v1 entry{};
  entry.abi_major = HN_ABI_MAJOR;
  for (const std::uint32_t size : {0u, 4u, 16u, 48u, 72u, 87u}) {
    entry.struct_size = size;
    EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { check_entry(&entry, m); }),
                HasSubstr("at least 88 bytes"));
  }
  entry.struct_size = 88;
  EXPECT_THAT(message_of(HN_INVALID_ARGUMENT, [&] { check_entry(&entry, m); }),
              HasSubstr("its binary has no id"));
  entry.abi_major = 2;
  EXPECT_THAT(message_of(HN_UNSUPPORTED, [&] { check_entry(&entry, m); }),
              HasSubstr("expected version 1 of the ABI, got 2"));
}

}  // namespace
}  // namespace hn::host
