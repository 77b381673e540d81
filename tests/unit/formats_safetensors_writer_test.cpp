// sdk/formats: writing. The reference library's file is written again byte for byte.
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <hn/formats/safetensors.hpp>

#include "unit/sdk_test_files.hpp"

namespace hn {
namespace {

using test::expect_error;
using test::TestFolder;

const std::string kReference =
    std::string(HN_SOURCE_DIR) + "/tests/golden/safetensors/reference.safetensors";

std::vector<TensorToWrite> all_of(const SafetensorsFile& file) {
  std::vector<TensorToWrite> tensors;
  for (const TensorView& view : file.tensors())
    tensors.push_back({view.name, view.dtype, view.shape, view.data, view.nbytes});
  return tensors;
}

TEST(WriteSafetensors, GivesTheReferenceWritersBytesInAnyOrder) {
  const TestFolder folder;
  const SafetensorsFile reference = SafetensorsFile::open(kReference);
  std::vector<TensorToWrite> tensors = all_of(reference);
  write_safetensors(folder.path() / "a.safetensors", tensors, reference.metadata());
  EXPECT_EQ(test::read_bytes(folder.path() / "a.safetensors"), test::read_bytes(kReference));
  std::reverse(tensors.begin(), tensors.end());
  write_safetensors(folder.path() / "b.safetensors", tensors, reference.metadata());
  EXPECT_EQ(test::read_bytes(folder.path() / "b.safetensors"), test::read_bytes(kReference));
  EXPECT_EQ(folder.file_count(), 2U);
}

TEST(WriteSafetensors, WritesAFileWithoutTensors) {
  const TestFolder folder;
  write_safetensors(folder.path() / "none.safetensors", {}, {{"k", "v\n"}});
  const SafetensorsFile file = SafetensorsFile::open(folder.path() / "none.safetensors");
  EXPECT_TRUE(file.tensors().empty());
  EXPECT_EQ(file.metadata().at("k"), "v\n");
  write_safetensors(folder.path() / "bare.safetensors", {});
  EXPECT_EQ(test::read_bytes(folder.path() / "bare.safetensors").size(), 16U);
}

TEST(WriteSafetensors, RefusesWhatTheFormatCannotHold) {
  const TestFolder folder;
  const auto path = folder.path() / "bad.safetensors";
  const float value = 0;
  const auto refuse = [&](const TensorToWrite& tensor, const std::string& part) {
    expect_error(HN_INVALID_ARGUMENT, {"bad.safetensors", part},
                 [&] { write_safetensors(path, std::vector<TensorToWrite>{tensor}); });
  };
  refuse({"", TensorDtype::kF32, {1}, &value, 4}, "expected a tensor name");
  refuse({"__metadata__", TensorDtype::kF32, {1}, &value, 4}, "expected a tensor name");
  refuse({"w", TensorDtype::kF32, {2}, &value, 4}, "expected 8 bytes for F32 [2], got 4");
  refuse({"w", TensorDtype::kF32, {-1}, &value, 4}, "F32 [-1]");
  refuse({"w", TensorDtype::kF32, {1}, nullptr, 4}, "null pointer");
  refuse({"w\xff", TensorDtype::kF32, {1}, &value, 4}, "UTF-8");
  const std::vector<TensorToWrite> twice = {{"w", TensorDtype::kF32, {1}, &value, 4},
                                            {"w", TensorDtype::kU8, {1}, &value, 1}};
  expect_error(HN_INVALID_ARGUMENT, {"\"w\" twice"}, [&] { write_safetensors(path, twice); });
  expect_error(HN_INVALID_ARGUMENT, {"UTF-8"}, [&] {
    write_safetensors(path, {}, {{"k", "\xff"}});
  });
  EXPECT_EQ(folder.file_count(), 0U);
}

TEST(WriteSafetensors, ReportsAFullDiskAndLeavesNoPartialFile) {
  const TestFolder folder;
  const std::vector<float> values(10000);
  const std::vector<TensorToWrite> tensors = {
      {"w", TensorDtype::kF32, {10000}, values.data(), 40000}};
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{16384, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  expect_error(HN_INTERNAL, {"w.safetensors", "File too large"},
               [&] { write_safetensors(folder.path() / "w.safetensors", tensors); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(folder.file_count(), 0U);
  expect_error(HN_NOT_FOUND, {"gone"},
               [&] { write_safetensors(folder.path() / "gone" / "w.safetensors", tensors); });
}

}  // namespace
}  // namespace hn
