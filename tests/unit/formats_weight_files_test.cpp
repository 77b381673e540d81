// WeightFiles: which file of a folder is taken, renaming, listings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <hn/cpp/error.hpp>
#include <hn/formats/weight_files.hpp>

namespace hn::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kGolden = fs::path(HN_SOURCE_DIR) / "tests/golden/torch_files";

class WeightFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::temp_directory_path() / ("hn_weights_" + std::to_string(::getpid()) + "_" +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  void put_torch(const std::string& name) const {
    fs::copy_file(kGolden / "zip.pt", folder_ / name);
  }
  void put_safetensors(const std::string& name) const {
    const float value = 4.0f;
    const TensorToWrite one{"bias", TensorDtype::kF32, {1}, &value, sizeof value};
    write_safetensors(folder_ / name, {&one, 1});
  }
  static float first(const WeightFiles& files, const char* name) {
    float value = 0;
    std::memcpy(&value, files.at(name).data, sizeof value);
    return value;
  }
  void expect_refused(hn_status status, std::initializer_list<const char*> texts) const {
    try {
      WeightFiles::open(folder_, {"wanted.pt"});
      ADD_FAILURE() << "was opened";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), status) << error.what();
      for (const char* text : texts) EXPECT_THAT(error.what(), HasSubstr(text));
    }
  }

  fs::path folder_;
};

TEST_F(WeightFolder, TakesWhatIsThereInOrder) {
  expect_refused(HN_NOT_FOUND, {"wanted.pt", "model.safetensors", "pytorch_model.bin", "got none"});
  put_torch("some.ckpt");
  EXPECT_EQ(first(WeightFiles::open(folder_), "bias"), 2.0f);  // the only one
  put_torch("other.pth");
  expect_refused(HN_NOT_FOUND, {"several: other.pth, some.ckpt (name one)"});
  put_torch("pytorch_model.bin");
  EXPECT_EQ(WeightFiles::open(folder_).path().filename(), "pytorch_model.bin");
  put_safetensors("model.safetensors");
  EXPECT_EQ(first(WeightFiles::open(folder_), "bias"), 4.0f);
  EXPECT_EQ(WeightFiles::open(folder_, {"none.pt", "other.pth"}).path().filename(), "other.pth");
  EXPECT_EQ(first(WeightFiles::open(folder_ / "some.ckpt"), "bias"), 2.0f);
  EXPECT_EQ(first(WeightFiles::open(folder_ / "model.safetensors"), "bias"), 4.0f);
  EXPECT_THROW(WeightFiles::open(folder_ / "nothing.pt"), Error);
}

TEST_F(WeightFolder, ReadsShardsOfPickles) {
  put_torch("a.bin");
  fs::copy_file(kGolden / "protocol4.pt", folder_ / "b.bin");
  const auto index = [&](const char* map) {
    std::ofstream(folder_ / "pytorch_model.bin.index.json") << "{\"weight_map\": " << map << "}";
  };
  index(R"({"bias": "a.bin", "layers.0.w": "b.bin"})");
  const WeightFiles files = WeightFiles::open(folder_);
  EXPECT_EQ(files.names(), (std::vector<std::string>{"bias", "layers.0.w"}));
  EXPECT_EQ(first(files, "layers.0.w"), 1.0f);
  index(R"({"bias": "b.bin"})");
  expect_refused(HN_DATA_LOSS, {"\"bias\" is not in b.bin"});
  index(R"({"bias": "c.bin"})");
  expect_refused(HN_NOT_FOUND, {"c.bin"});
  index(R"({"bias": "a.bin", "weight": "c.bin", "rows": "d.bin"})");
  expect_refused(HN_NOT_FOUND, {"got none of: c.bin, d.bin"});
  index(R"({"bias": "../a.bin"})");
  expect_refused(HN_DATA_LOSS, {"a file name in the same folder"});
  // An index that names itself as its shard.
  index(R"({"bias": "pytorch_model.bin.index.json"})");
  expect_refused(HN_DATA_LOSS, {"pytorch_model.bin.index.json"});
}

TEST_F(WeightFolder, TakesFilesForWhatTheyAre) {
  put_safetensors("model.bin");
  EXPECT_EQ(first(WeightFiles::open(folder_ / "model.bin"), "bias"), 4.0f);
  put_safetensors("weights");
  EXPECT_EQ(first(WeightFiles::open(folder_ / "weights"), "bias"), 4.0f);
  put_torch("checkpoint");
  EXPECT_EQ(first(WeightFiles::open(folder_ / "checkpoint"), "bias"), 2.0f);
  put_torch("named.safetensors");
  const auto refused = [&](const char* name, const char* text) {
    try {
      WeightFiles::open(folder_ / name);
      ADD_FAILURE() << "was opened";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), HN_DATA_LOSS);
      EXPECT_THAT(error.what(), HasSubstr(text));
    }
  };
  refused("named.safetensors", "expected a safetensors file, got a zip archive of torch.save");
  std::ofstream(folder_ / "page.bin") << "<!DOCTYPE html>";
  refused("page.bin", "expected a file of torch.save, got a web page");
  std::ofstream(folder_ / "pointer.bin") << "version https://git-lfs.github.com/spec/v1\nsize 12\n";
  refused("pointer.bin", "a Git LFS pointer of 51 bytes, in place of a file of 12 bytes");
  std::ofstream(folder_ / "model.gguf") << "GGUF1234";
  refused("model.gguf", "expected a safetensors file, got a GGUF file");
}

TEST_F(WeightFolder, ShardsOfPicklesMayNotContradictOneAnother) {
  put_torch("a.bin");
  put_torch("b.bin");
  std::ofstream(folder_ / "pytorch_model.bin.index.json")
      << R"({"weight_map": {"bias": "a.bin", "rows": "b.bin"}})";
  EXPECT_EQ(WeightFiles::open(folder_).size(), 2u) << "the same in both";
  put_safetensors("c.bin");
  std::ofstream(folder_ / "pytorch_model.bin.index.json")
      << R"({"weight_map": {"bias": "a.bin", "rows": "b.bin", "count": "c.bin"}})";
  expect_refused(HN_DATA_LOSS, {"\"bias\" is in a.bin and in c.bin, with different contents"});
}

TEST_F(WeightFolder, RenamesPartsOfTensors) {
  const WeightFiles files = WeightFiles::open(kGolden / "zip.pt");
  StridedView row = files.at("rows");
  row.name = "second_row";
  row.data += 4 * sizeof(float);
  row.shape = {4};
  row.strides = {1};
  const auto spell = [](const std::string& name) { return name == "second_row" ? "rows" : name; };
  const WeightFiles renamed = files.renamed({{"rows", row}}, spell);
  EXPECT_EQ(renamed.size(), 1u);
  EXPECT_EQ(first(renamed, "second_row"), 4.0f);
  EXPECT_EQ(renamed.spelling("second_row"), "rows");
  renamed.release("second_row");
  EXPECT_EQ(first(renamed, "second_row"), 4.0f);
  EXPECT_NE(renamed.keep_alive("second_row"), nullptr);
  EXPECT_THROW(files.renamed({{"rows", row}, {"rows", row}}, spell), Error);
  try {
    renamed.at("secnd_row");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), HN_NOT_FOUND);
    EXPECT_THAT(error.what(), HasSubstr("second_row"));
  }
}

TEST_F(WeightFolder, ListsWithoutData) {
  const WeightFiles files =
      WeightFiles::listing({{"w", TensorDtype::kF32, {2, 3}, {3, 1}, nullptr}}, "a list");
  EXPECT_EQ(files.at("w").data, nullptr);
  EXPECT_EQ(files.at("w").bytes(), 24u);
  EXPECT_EQ(files.find("v"), nullptr);
  files.release("w");
}

}  // namespace
}  // namespace hn::test
