// sdk/formats: which file of a folder, shards and their index, lists of what is
// missing.
#include <cstring>
#include <hn/formats/safetensors.hpp>

#include "unit/sdk_test_files.hpp"

namespace hn {
namespace {

using test::expect_error;
using test::TestFolder;

void write_one(const std::filesystem::path& path, const std::vector<std::string>& names,
               float value) {
  std::vector<TensorToWrite> tensors;
  for (const std::string& name : names)
    tensors.push_back({name, TensorDtype::kF32, {1}, &value, 4});
  write_safetensors(path, tensors);
}

float value_of(const TensorView& view) {
  float value = 0;
  std::memcpy(&value, view.data, sizeof value);
  return value;
}

TEST(SafetensorsFolderTest, TakesTheFirstNameThatExists) {
  const TestFolder folder;
  const auto open = [&](const char* variant = "") {
    return value_of(SafetensorsFolder::open(folder.path(), variant).at("w"));
  };
  write_one(folder.path() / "diffusion_pytorch_model.fp16.safetensors", {"w"}, 1);
  EXPECT_EQ(open(), 1);
  EXPECT_EQ(open("fp16"), 1);
  write_one(folder.path() / "model.bf16.safetensors", {"w"}, 2);
  EXPECT_EQ(open(), 2);
  EXPECT_EQ(open("bf16"), 2);
  write_one(folder.path() / "diffusion_pytorch_model.safetensors", {"w"}, 3);
  EXPECT_EQ(open(), 3);
  write_one(folder.path() / "model.safetensors", {"w"}, 4);
  EXPECT_EQ(open(), 4);
  EXPECT_EQ(open("fp16"), 1);
}

TEST(SafetensorsFolderTest, ListsTheNamesThatWereTried) {
  const TestFolder folder;
  expect_error(HN_NOT_FOUND,
               {folder.path().string(), "model.safetensors,",
                "diffusion_pytorch_model.safetensors.index.json", "model.fp16.safetensors"},
               [&] { SafetensorsFolder::open(folder.path()); });
  expect_error(HN_NOT_FOUND, {"model.int8.safetensors", "model.safetensors.index.int8.json"},
               [&] { SafetensorsFolder::open(folder.path(), "int8"); });
  expect_error(HN_NOT_FOUND, {"gone", "nothing there"},
               [&] { SafetensorsFolder::open(folder.path() / "gone"); });
}

class Shards : public ::testing::Test {
 protected:
  void SetUp() override {
    write_one(folder_.path() / "model-00001-of-00002.safetensors", {"a", "b"}, 1);
    write_one(folder_.path() / "model-00002-of-00002.safetensors", {"c", "hidden"}, 2);
  }
  void write_index(const std::string& weight_map,
                   const std::string& name = "model.safetensors.index.json") {
    folder_.write(name, R"({"metadata": {"total_size": 12}, "weight_map": )" + weight_map + "}");
  }
  TestFolder folder_;
};

constexpr const char* kGoodMap =
    R"({"a": "model-00001-of-00002.safetensors", "b": "model-00001-of-00002.safetensors", "c": "model-00002-of-00002.safetensors"})";

TEST_F(Shards, AreReadThroughTheIndex) {
  write_index(kGoodMap);
  for (const auto& path : {folder_.path(), folder_.path() / "model.safetensors.index.json"}) {
    const SafetensorsFolder weights = SafetensorsFolder::open(path);
    EXPECT_EQ(weights.names(), (std::vector<std::string>{"a", "b", "c"}));
    EXPECT_EQ(weights.size(), 3U);
    EXPECT_EQ(weights.files().size(), 2U);
    EXPECT_EQ(value_of(weights.at("c")), 2);
    EXPECT_EQ(weights.find("hidden"), nullptr);
    EXPECT_NE(weights.keep_alive("a"), weights.keep_alive("c"));
  }
}

TEST_F(Shards, HaveVariantsOfTheIndexToo) {
  for (const char* name :
       {"model.safetensors.index.fp16.json", "model.fp16.safetensors.index.json"}) {
    write_index(kGoodMap, name);
    EXPECT_EQ(SafetensorsFolder::open(folder_.path(), "fp16").size(), 3U);
    EXPECT_EQ(SafetensorsFolder::open(folder_.path()).size(), 3U);
    std::filesystem::remove(folder_.path() / name);
  }
}

TEST_F(Shards, CopiesAndMovesShareTheMapping) {
  write_index(kGoodMap);
  SafetensorsFolder first = SafetensorsFolder::open(folder_.path());
  const SafetensorsFolder copy = first;
  const SafetensorsFolder moved = std::move(first);
  EXPECT_EQ(copy.at("a").data, moved.at("a").data);
}

TEST_F(Shards, ThatAreMissingAreListed) {
  write_index(
      R"({"a": "x.safetensors", "b": "y.safetensors", "c": "model-00002-of-00002.safetensors"})");
  expect_error(HN_NOT_FOUND, {"model.safetensors.index.json", "x.safetensors, y.safetensors"},
               [&] { SafetensorsFolder::open(folder_.path()); });
}

TEST_F(Shards, WithALyingIndexAreRefused) {
  write_index(
      R"({"a": "model-00002-of-00002.safetensors", "zz": "model-00001-of-00002.safetensors"})");
  expect_error(
      HN_DATA_LOSS,
      {"\"a\" is not in model-00002-of-00002.safetensors (but in model-00001-of-00002.safetensors)",
       "\"zz\" is not in"},
      [&] { SafetensorsFolder::open(folder_.path()); });
}

// Readers differ in which of two they take, so they have to be the same.
TEST_F(Shards, MayNotContradictOneAnother) {
  const std::vector<float> ones(2, 1.0F), twos(2, 2.0F);
  const auto put = [&](const char* shard, const char* own, const std::vector<float>& shared) {
    const std::vector<TensorToWrite> tensors = {{own, TensorDtype::kF32, {2}, ones.data(), 8},
                                                {"tied", TensorDtype::kF32, {2}, shared.data(), 8}};
    write_safetensors(folder_.path() / shard, tensors);
  };
  write_index(R"({"a": "x.safetensors", "b": "y.safetensors", "tied": "x.safetensors"})");
  put("x.safetensors", "a", ones);
  put("y.safetensors", "b", ones);
  EXPECT_EQ(SafetensorsFolder::open(folder_.path()).size(), 3U);
  put("y.safetensors", "b", twos);
  expect_error(HN_DATA_LOSS,
               {"\"tied\" is in x.safetensors and in y.safetensors, with different contents"},
               [&] { SafetensorsFolder::open(folder_.path()); });
}

TEST_F(Shards, StayInTheirFolder) {
  for (const char* shard : {"../model.safetensors", "/etc/passwd", "", ".."}) {
    write_index(R"({"a": ")" + std::string(shard) + R"("})");
    expect_error(HN_DATA_LOSS, {"weight_map", "\"a\"", "same folder"},
                 [&] { SafetensorsFolder::open(folder_.path()); });
  }
  write_index(R"({"a": 3})");
  expect_error(HN_DATA_LOSS, {"same folder, got 3"},
               [&] { SafetensorsFolder::open(folder_.path()); });
}

TEST_F(Shards, NeedAReadableIndex) {
  write_index("[]");
  expect_error(HN_DATA_LOSS, {"weight_map: expected an object"},
               [&] { SafetensorsFolder::open(folder_.path()); });
  folder_.write("model.safetensors.index.json", "{");
  expect_error(HN_DATA_LOSS, {"index.json", "expected JSON"},
               [&] { SafetensorsFolder::open(folder_.path()); });
  folder_.write("model.safetensors.index.json", "{}");
  expect_error(HN_DATA_LOSS, {"expected the key \"weight_map\""},
               [&] { SafetensorsFolder::open(folder_.path()); });
}

TEST_F(Shards, MissingAndDamagedAreToldTogether) {
  write_index(R"({"a": "model-00001-of-00002.safetensors", "b": "x.safetensors",
                  "c": "model-00002-of-00002.safetensors"})");
  for (const char* shard : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"})
    std::filesystem::resize_file(folder_.path() / shard, 3);
  expect_error(HN_NOT_FOUND,
               {"got none of: x.safetensors", "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors"},
               [&] { SafetensorsFolder::open(folder_.path()); });
}

TEST_F(Shards, ThatAreDamagedAreNamed) {
  write_index(kGoodMap);
  folder_.write("model-00002-of-00002.safetensors", "short");
  expect_error(HN_DATA_LOSS, {"model-00002-of-00002.safetensors", "at least 8 bytes"},
               [&] { SafetensorsFolder::open(folder_.path()); });
}

TEST_F(Shards, ListEverythingMissingOrWrongAtOnce) {
  write_index(kGoodMap);
  const SafetensorsFolder weights = SafetensorsFolder::open(folder_.path());
  const std::vector<std::string> names = {"a", "x", "b", "y"};
  expect_error(HN_NOT_FOUND, {"expected 4 tensors, got 2 missing: x, y"},
               [&] { weights.require(names); });
  EXPECT_NO_THROW(weights.require(std::vector<std::string>{"a", "c"}));
  const std::vector<ExpectedTensor> expected = {{"a", {1}}, {"b", {2, 2}}, {"y", {}}};
  expect_error(HN_DATA_LOSS,
               {"got 2 missing or of another shape: b [2, 2] has shape [1]; y [] is missing"},
               [&] { weights.require(expected); });
  EXPECT_EQ(weights.unexpected(std::vector<std::string>{"a", "zz"}),
            (std::vector<std::string>{"b", "c"}));
  expect_error(HN_NOT_FOUND, {"\"aa\""}, [&] { weights.at("aa"); });
  expect_error(HN_NOT_FOUND, {"\"aa\""}, [&] { weights.keep_alive("aa"); });
}

}  // namespace
}  // namespace hn
