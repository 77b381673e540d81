// sdk/formats: reading one file. Golden: tests/golden/safetensors/make.py, compared
// without tolerance.
#include <sys/stat.h>

#include <cstring>
#include <hn/formats/safetensors.hpp>
#include <random>

#include "unit/sdk_test_files.hpp"

namespace hn {
namespace {

using test::expect_error;

const std::string kReference =
    std::string(HN_SOURCE_DIR) + "/tests/golden/safetensors/reference.safetensors";

std::string length_bytes(std::uint64_t n) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &n, 8);
  return bytes;
}

// A file of this header and so many zero bytes of data.
std::string file_bytes(const std::string& header, std::size_t data_size) {
  return length_bytes(header.size()) + header + std::string(data_size, '\0');
}

// ",1,1,1..."
std::string many(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += ",1";
  return text;
}

struct BadFile {
  const char* name;
  std::string bytes;
  std::vector<std::string> parts;
};

std::vector<BadFile> bad_files() {
  const auto tensor = [](const std::string& dtype, const std::string& shape,
                         const std::string& offsets) {
    return R"({"w":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
           offsets + "}}";
  };
  const std::string huge = "9223372036854775807";
  return {
      {"empty", "", {"at least 8 bytes", "got 0"}},
      {"seven_bytes", "1234567", {"at least 8 bytes", "got 7"}},
      {"header_longer_than_file",
       length_bytes(100) + "{}",
       {"header of 100 bytes", "only 2 bytes"}},
      {"header_above_the_cap", length_bytes(104857601) + "{}", {"at most 104857600", "104857601"}},
      {"header_length_overflows",
       length_bytes(~std::uint64_t{0}) + "{}",
       {"at most 104857600", "18446744073709551615"}},
      {"header_empty", file_bytes("", 0), {"begins with '{'", "got nothing"}},
      {"header_leading_space", file_bytes(" {}", 0), {"begins with '{'", "byte 32"}},
      {"header_array", file_bytes("[]", 0), {"begins with '{'"}},
      {"header_cut", file_bytes(R"({"w":{"dtype")", 0), {"header", "expected JSON"}},
      {"header_not_utf8", file_bytes("{\"\xff\":1}", 0), {"expected JSON"}},
      {"header_followed_by_text", file_bytes("{} x", 0), {"expected JSON"}},
      {"duplicate_name",
       file_bytes(
           R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
           1),
       {"\"w\" twice"}},
      {"duplicate_key",
       file_bytes(R"({"w":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1),
       {"\"dtype\" twice"}},
      {"deep",
       file_bytes("{\"w\":" + std::string(100000, '[') + std::string(100000, ']') + "}", 0),
       {"nested"}},
      {"entry_not_object",
       file_bytes(R"({"w":3})", 0),
       {"\"w\"", "expected an object, got number"}},
      {"no_dtype",
       file_bytes(R"({"w":{"shape":[1],"data_offsets":[0,1]}})", 1),
       {"\"w\"", "got no dtype"}},
      {"no_shape", file_bytes(R"({"w":{"dtype":"U8","data_offsets":[0,1]}})", 1), {"got no shape"}},
      {"no_offsets", file_bytes(R"({"w":{"dtype":"U8","shape":[1]}})", 1), {"got no data_offsets"}},
      {"unknown_dtype",
       file_bytes(tensor("F31", "[1]", "[0,4]"), 4),
       {"\"w\"", "expected a dtype of BOOL, F4", "\"F31\""}},
      {"dtype_number",
       file_bytes(R"({"w":{"dtype":5,"shape":[1],"data_offsets":[0,1]}})", 1),
       {"expected a dtype", "got 5"}},
      {"negative_dimension",
       file_bytes(tensor("U8", "[-1]", "[0,1]"), 1),
       {"non-negative", "[-1]"}},
      {"fractional_dimension", file_bytes(tensor("U8", "[1.0]", "[0,1]"), 1), {"non-negative"}},
      {"shape_not_array", file_bytes(tensor("U8", "1", "[0,1]"), 1), {"expected a shape"}},
      {"dimension_above_int64",
       file_bytes(tensor("U8", "[9223372036854775808]", "[0,1]"), 1),
       {"64-bit"}},
      {"product_overflows",
       file_bytes(tensor("U8", "[4294967296,4294967296]", "[0,0]"), 0),
       {"fits in 64 bits", "4294967296"}},
      {"product_overflows_to_zero",
       file_bytes(tensor("U8", "[" + huge + ",2,0]", "[0,0]"), 0),
       {"fits in 64 bits"}},
      {"bits_overflow",
       file_bytes(tensor("F64", "[" + huge + "]", "[0,8]"), 8),
       {"fits in 64 bits"}},
      {"part_of_a_byte", file_bytes(tensor("F4", "[3]", "[0,2]"), 2), {"whole bytes", "F4 [3]"}},
      {"offsets_three", file_bytes(tensor("U8", "[1]", "[0,1,2]"), 1), {"[begin, end]", "[0,1,2]"}},
      {"offsets_negative", file_bytes(tensor("U8", "[1]", "[-1,0]"), 1), {"[begin, end]"}},
      {"offsets_reversed", file_bytes(tensor("U8", "[1]", "[1,0]"), 1), {"in order", "[1, 0]"}},
      {"offsets_past_the_end",
       file_bytes(tensor("U8", "[2]", "[0,2]"), 1),
       {"\"w\"", "within the file's 1 bytes", "end at 2", "truncated"}},
      {"offsets_wrap",
       file_bytes(tensor("U8", "[1]", "[18446744073709551615,18446744073709551615]"), 1),
       {"within the file's 1 bytes"}},
      {"size_disagrees",
       file_bytes(tensor("F32", "[2,3]", "[0,20]"), 20),
       {"expected 24 bytes for F32 [2, 3]", "over 20"}},
      {"hole_at_the_start",
       file_bytes(tensor("U8", "[1]", "[1,2]"), 2),
       {"from byte 0", "a hole up to 1"}},
      {"hole_between",
       file_bytes(
           R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
           3),
       {"\"b\"", "a hole up to 2"}},
      {"overlap",
       file_bytes(
           R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
           3),
       {"\"b\"", "overlap with \"a\" from 1"}},
      {"same_place_twice",
       file_bytes(
           R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
           2),
       {"overlap"}},
      {"bytes_after_the_last",
       file_bytes(tensor("U8", "[1]", "[0,1]"), 5),
       {"expected 1 bytes of data", "got 5"}},
      {"bytes_without_tensors", file_bytes("{}", 5), {"expected 0 bytes of data", "got 5"}},
      {"lfs_pointer",
       "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1234\n",
       {"expected a safetensors file, got a Git LFS pointer of 69 bytes", "1234 bytes",
        "git lfs pull"}},
      {"web_page", "<!DOCTYPE html><html></html>", {"expected a safetensors file, got a web page"}},
      {"json_error",
       R"({"error":"Repository not found"})",
       {"expected a safetensors file", "got JSON text", "Repository not found"}},
      {"text", "Entry not found", {"expected a safetensors file", "text that begins with \"Entry"}},
      {"pickle", "\x80\x02}q\x01.", {"expected a safetensors file, got a pickle"}},
      {"torch_zip",
       "PK\3\4..........................archive/data.pkl",
       {"expected a safetensors file, got a zip archive of torch.save"}},
      {"truncated_data",
       file_bytes(tensor("F32", "[100]", "[0,400]"), 100),
       {"\"w\"", "100 bytes of data", "end at 400", "of 466 (truncated?)"}},
      {"many_dimensions",
       file_bytes(tensor("U8", "[1" + many(99) + "]", "[0,1]"), 1),
       {"\"w\"", "at most 64 dimensions, got 100"}},
      {"long_entry",
       file_bytes(tensor("U8", "[1" + many(70000) + "]", "[0,1]"), 1),
       {"at most 65536 values"}},
      {"metadata_value_null",
       file_bytes(R"({"__metadata__":{"format":null}})", 0),
       {"__metadata__", "\"format\"", "expected a text, got null"}},
      {"metadata_number",
       file_bytes(R"({"__metadata__":3})", 0),
       {"__metadata__", "an object of texts"}},
      {"metadata_value_number",
       file_bytes(R"({"__metadata__":{"format":3}})", 0),
       {"__metadata__", "\"format\"", "expected a text"}},
  };
}

TEST(SafetensorsFileTest, RefusesEveryLieByName) {
  const test::TestFolder folder;
  for (const BadFile& bad : bad_files()) {
    SCOPED_TRACE(bad.name);
    const auto path = folder.write(std::string(bad.name) + ".safetensors", bad.bytes);
    std::vector<std::string> parts = bad.parts;
    parts.push_back(path.string());
    expect_error(HN_DATA_LOSS, parts, [&] { SafetensorsFile::open(path); });
  }
}

TEST(SafetensorsFileTest, RefusesEveryTruncationOfAGoodFile) {
  const test::TestFolder folder;
  const std::string whole = test::read_bytes(kReference);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto path = folder.write("cut.safetensors", whole.substr(0, size));
    expect_error(HN_DATA_LOSS, {"cut.safetensors"}, [&] { SafetensorsFile::open(path); });
  }
}

TEST(SafetensorsFileTest, NamesAMissingFileAndAFolder) {
  const test::TestFolder folder;
  expect_error(HN_NOT_FOUND, {"absent.safetensors", "No such file"},
               [&] { SafetensorsFile::open(folder.path() / "absent.safetensors"); });
  expect_error(HN_NOT_FOUND, {"regular file"}, [&] { SafetensorsFile::open(folder.path()); });
}

TEST(SafetensorsFileTest, NamesAFifoAndDoesNotWaitForIt) {
  const test::TestFolder folder;
  const auto fifo = folder.path() / "model.safetensors";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  expect_error(HN_NOT_FOUND, {"[safetensors]", "model.safetensors", "a FIFO"},
               [&] { SafetensorsFile::open(fifo); });
}

TEST(SafetensorsFileTest, ReadsTheReferenceFile) {
  const SafetensorsFile file = SafetensorsFile::open(kReference);
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  ASSERT_EQ(file.tensors().size(), 22U);
  for (const TensorView& tensor : file.tensors()) {
    EXPECT_EQ(tensor.nbytes,
              static_cast<std::uint64_t>(tensor.numel()) * dtype_bits(tensor.dtype) / 8)
        << tensor.name;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(file.at("u64").data) % 8, 0U);
  }
  const TensorView& f32 = file.at("f32");
  EXPECT_EQ(f32.dtype, TensorDtype::kF32);
  EXPECT_EQ(f32.dtype_string(), "F32");
  EXPECT_EQ(f32.shape, (std::vector<std::int64_t>{2, 3}));
  const auto* values = reinterpret_cast<const float*>(f32.data);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(values[i], static_cast<float>(i));
  const auto* bf16 = reinterpret_cast<const std::uint16_t*>(file.at("bf16").data);
  EXPECT_EQ(bf16[1], 0x3f80);  // 1.0
  EXPECT_TRUE(file.at("scalar").shape.empty());
  EXPECT_EQ(file.at("scalar").numel(), 1);
  EXPECT_EQ(file.at("empty").nbytes, 0U);
  EXPECT_NE(file.find("name \"quoted\" \\ é \n"), nullptr);
  EXPECT_EQ(file.find("absent"), nullptr);
  expect_error(HN_NOT_FOUND, {"reference.safetensors", "\"scalr\"", "nearest: scalar"},
               [&] { file.at("scalr"); });
}

TEST(SafetensorsFileTest, KeepsTheMappingAlive) {
  std::shared_ptr<const void> mapping;
  const std::byte* data = nullptr;
  {
    const SafetensorsFile file = SafetensorsFile::open(kReference);
    mapping = file.keep_alive();
    data = file.at("u8").data;
  }
  EXPECT_EQ(static_cast<int>(data[5]), 5);
}

// As the reference reads it (serde's Option): none.
TEST(SafetensorsFileTest, MetadataMayBeNull) {
  const test::TestFolder folder;
  const auto file = SafetensorsFile::open(folder.write(
      "null.safetensors",
      file_bytes(R"({"__metadata__":null,"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                 1)));
  EXPECT_TRUE(file.metadata().empty());
  EXPECT_EQ(file.tensors().size(), 1U);
}

TEST(SafetensorsFileTest, KnowsItsFilesByTheirContent) {
  const test::TestFolder folder;
  EXPECT_TRUE(is_safetensors_file(kReference));
  EXPECT_TRUE(is_safetensors_file(folder.write("a.bin", file_bytes("{}", 0))));
  EXPECT_FALSE(is_safetensors_file(folder.write("a.safetensors", "<html>")));
  EXPECT_FALSE(is_safetensors_file(folder.path() / "none"));
}

TEST(SafetensorsFileTest, AcceptsAFileWithoutTensorsAndASpacePaddedHeader) {
  const test::TestFolder folder;
  EXPECT_TRUE(SafetensorsFile::open(folder.write("none.safetensors", file_bytes("{}", 0)))
                  .tensors()
                  .empty());
  const auto file = SafetensorsFile::open(folder.write(
      "f4.safetensors",
      file_bytes(R"({"w":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]}}      )", 3)));
  EXPECT_EQ(file.at("w").nbytes, 3U);
}

// Random damage to the header and the length: every file is read or refused with an hn::Error,
// nothing else.
TEST(SafetensorsFileTest, SurvivesRandomDamage) {
  const test::TestFolder folder;
  const std::string whole = test::read_bytes(kReference);
  const std::string alphabet = "{}[]\":,0123456789-e.\\u \x00\xff";
  std::mt19937 random(1);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  std::size_t refused = 0;
  std::size_t rounds = 0;
  for (; std::chrono::steady_clock::now() < deadline; ++rounds) {
    std::string bytes = whole;
    for (unsigned change = 0; change < 1 + random() % 4; ++change) {
      const std::size_t at = random() % (bytes.size() < 1600 ? bytes.size() : 1600);
      switch (random() % 4) {
        case 0: bytes[at] = alphabet[random() % alphabet.size()]; break;
        case 1: bytes.erase(at, 1 + random() % 8); break;
        case 2: bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 40)); break;
        default: bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8)));
      }
      if (bytes.empty()) bytes = "{";
    }
    const auto path = folder.write("damaged.safetensors", bytes);
    try {
      const SafetensorsFile file = SafetensorsFile::open(path);
      unsigned sum = 0;
      for (const TensorView& tensor : file.tensors()) {
        for (std::uint64_t i = 0; i < tensor.nbytes; ++i)
          sum += static_cast<unsigned>(tensor.data[i]);
      }
      EXPECT_GE(sum, 0U);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), HN_DATA_LOSS) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, rounds / 2);
}

}  // namespace
}  // namespace hn
