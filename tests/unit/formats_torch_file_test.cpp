// Torch checkpoints read without LibTorch: both layouts, and everything that must be refused.
//
// Files: tests/golden/torch_files/make.py (torch 2.11). Hand-made ones are built here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <hn/cpp/error.hpp>
#include <hn/formats/torch_file.hpp>
#include <iterator>
#include <map>
#include <random>

#include "unit/torch_file_builder.hpp"

namespace hn::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kGolden = fs::path(HN_SOURCE_DIR) / "tests/golden/torch_files";

std::string read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// All elements through the strides, as numbers of the given C++ type.
template <typename T>
std::vector<T> elements(const StridedView& view) {
  std::vector<T> out;
  std::vector<std::int64_t> index(view.shape.size(), 0);
  for (std::int64_t n = view.numel(); n > 0; --n) {
    std::int64_t at = 0;
    for (std::size_t d = 0; d < index.size(); ++d) at += index[d] * view.strides[d];
    T value{};
    std::memcpy(&value, view.data + static_cast<std::size_t>(at) * sizeof(T), sizeof(T));
    out.push_back(value);
    for (std::size_t d = index.size(); d-- > 0;) {
      if (++index[d] < view.shape[d]) break;
      index[d] = 0;
    }
  }
  return out;
}

const StridedView& at(const TorchFile& file, const char* name) {
  const StridedView* view = file.find(name);
  if (view == nullptr) throw std::runtime_error(std::string("no tensor ") + name);
  return *view;
}

class TorchLayouts : public testing::TestWithParam<const char*> {};

TEST_P(TorchLayouts, GiveEveryTensor) {
  const TorchFile file = TorchFile::open(kGolden / GetParam());
  EXPECT_EQ(file.tensors().size(), 14u);  // of state_dict alone; the optimizer stays out
  EXPECT_EQ(file.find("optimizer.state.0.exp_avg"), nullptr);
  EXPECT_EQ(elements<float>(at(file, "weight")), (std::vector<float>{0.5f, -0.25f}));
  EXPECT_EQ(at(file, "weight").shape, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(elements<float>(at(file, "bias")), std::vector<float>{2.0f});
  std::vector<float> counted(12);
  for (std::size_t i = 0; i < 12; ++i) counted[i] = static_cast<float>(i);
  EXPECT_EQ(elements<float>(at(file, "rows")), counted);
  const StridedView& columns = at(file, "columns");
  EXPECT_EQ(columns.shape, (std::vector<std::int64_t>{4, 3}));
  EXPECT_EQ(columns.strides, (std::vector<std::int64_t>{1, 4}));
  EXPECT_FALSE(columns.is_contiguous());
  EXPECT_EQ(columns.data, at(file, "rows").data);  // shared, not copied
  EXPECT_EQ(elements<float>(columns), (std::vector<float>{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}));
  EXPECT_EQ(elements<float>(at(file, "slice")), (std::vector<float>{5, 7, 9}));
  EXPECT_EQ(at(file, "half").dtype, TensorDtype::kF16);
  EXPECT_EQ(elements<std::uint16_t>(at(file, "half")),
            (std::vector<std::uint16_t>{0x3E00, 0xC000}));
  EXPECT_EQ(at(file, "brain").dtype, TensorDtype::kBF16);
  EXPECT_EQ(elements<std::uint16_t>(at(file, "brain")), std::vector<std::uint16_t>{0x3E00});
  EXPECT_EQ(elements<double>(at(file, "double")), std::vector<double>{0.1});
  EXPECT_TRUE(at(file, "double").shape.empty());
  EXPECT_EQ(elements<std::int64_t>(at(file, "count")), std::vector<std::int64_t>{7});
  EXPECT_EQ(elements<std::uint8_t>(at(file, "flags")), (std::vector<std::uint8_t>{1, 0}));
  EXPECT_EQ(at(file, "empty").bytes(), 0u);
  EXPECT_EQ(elements<float>(at(file, "wide")), std::vector<float>(4, 1.0f));
  EXPECT_EQ(elements<float>(at(file, "parameter")), std::vector<float>{3.0f});
  EXPECT_EQ(at(file, "tiny").dtype, TensorDtype::kF8E4M3);
  EXPECT_EQ(elements<std::uint8_t>(at(file, "tiny")), (std::vector<std::uint8_t>{0x38, 0xC0}));
}

// Every beginning of the file is refused with a reason, none is read past its end.
TEST_P(TorchLayouts, RefuseEveryTruncation) {
  const std::string bytes = read_bytes(kGolden / GetParam());
  const TemporaryFile file;
  for (std::size_t size = 0; size < bytes.size(); size += size < 300 ? 3 : 11) {
    file.write(bytes.substr(0, size));
    EXPECT_THROW(TorchFile::open(file.path()), Error) << size;
  }
}

// Damage in any byte is refused or leaves tensors that lie inside the file.
TEST_P(TorchLayouts, SurviveDamage) {
  const std::string bytes = read_bytes(kGolden / GetParam());
  const TemporaryFile file;
  std::mt19937 random(7);
  std::size_t sum = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string damaged = bytes;
    for (int k = 0; k < 1 + i % 3; ++k)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    file.write(damaged);
    try {
      const TorchFile read = TorchFile::open(
          file.path(), i % 2 == 0 ? TorchFile::Checksums::kIndex : TorchFile::Checksums::kAll);
      for (const StridedView& view : read.tensors())
        if (view.numel() < 4096)
          for (const std::uint8_t byte : elements<std::uint8_t>(view)) sum += byte;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("[torch file]"));
    }
  }
  EXPECT_GE(sum, 0u);
}

INSTANTIATE_TEST_SUITE_P(Layouts, TorchLayouts, testing::Values("zip.pt", "legacy.pt"),
                         [](const testing::TestParamInfo<const char*>& param) {
                           return std::string(param.param, std::strchr(param.param, '.'));
                         });

TEST(TorchFile, ReadsLaterProtocolsAndLists) {
  const TorchFile file = TorchFile::open(kGolden / "protocol4.pt");
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(elements<float>(at(file, "layers.0.w")), std::vector<float>(2, 1.0f));
  EXPECT_EQ(at(file, "layers.1.w").shape, (std::vector<std::int64_t>{1, 1}));
}

TEST(TorchFile, MappingOutlivesTheFile) {
  std::shared_ptr<const void> keep;
  const std::byte* data = nullptr;
  {
    const TorchFile file = TorchFile::open(kGolden / "zip.pt");
    keep = file.keep_alive();
    data = at(file, "bias").data;
    file.release(at(file, "bias"));  // the system reads it again
  }
  float value = 0;
  std::memcpy(&value, data, 4);
  EXPECT_EQ(value, 2.0f);
}

void expect_refused(const std::string& bytes, hn_status status,
                    std::initializer_list<const char*> texts) {
  const TemporaryFile file;
  file.write(bytes);
  try {
    TorchFile::open(file.path());
    ADD_FAILURE() << "was read, expected: " << *texts.begin();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), status) << error.what();
    for (const char* text : texts) EXPECT_THAT(error.what(), HasSubstr(text));
  }
}

TEST(TorchFile, ExecutesNothing) {
  expect_refused(read_bytes(kGolden / "malicious.pt"), HN_UNSUPPORTED,
                 {"the Python global \"posix.system\"", "nothing in the file was executed"});
  EXPECT_FALSE(fs::exists("hn_pickle_was_executed"));
}

TEST(TorchFile, RefusesEveryOtherGlobalByName) {
  for (const auto& [module, name] : {std::pair{"os", "system"},
                                     {"builtins", "eval"},
                                     {"builtins", "getattr"},
                                     {"torch", "load"},
                                     {"torch.hub", "load"},
                                     {"torch._utils", "_rebuild_sparse_tensor"},
                                     {"torch._utils", "_rebuild_qtensor"},
                                     {"torch", "QInt8Storage"},
                                     {"numpy", "ndarray"},
                                     {"__torch__.model", "Net"},
                                     {"collections", "defaultdict"}}) {
    const std::string full = std::string("\"") + module + "." + name + "\"";
    expect_refused(torch_zip(global(module, name) + "."), HN_UNSUPPORTED, {full.c_str()});
    expect_refused(torch_zip(text(module) + text(name) + "\x93."), HN_UNSUPPORTED, {full.c_str()});
  }
  // Known names that have nothing to call.
  expect_refused(torch_zip(global("torch", "float32") + ")R."), HN_UNSUPPORTED,
                 {"torch.float32(...)"});
}

TEST(TorchFile, RefusesOpcodesThatReachOutside) {
  for (const std::string code : {"(ios\nsystem\n.", "(o.", "\x82\x01.", "\x83\x01\x01.", "Pkey\n.",
                                 "\x97.", "\x92.", "I1\n.", "\xff."})
    expect_refused(torch_zip(code), HN_UNSUPPORTED, {": expected an opcode of tensors"});
  expect_refused(torch_zip("N.", {}, '\x06'), HN_UNSUPPORTED, {"protocol 5 at most, got 6"});
}

TEST(TorchFile, RefusesBrokenPrograms) {
  const std::vector<std::pair<std::string, const char*>> cases = {
      {".", "expected a value on the stack"},
      {"0.", "expected a value on the stack"},
      {"N(0.", "expected a value on the stack"},  // nothing below a mark
      {"u.", "expected a mark"},
      {"t.", "expected a mark"},
      {"}K", "an integer of 1 bytes, got only 0"},
      {"h\x05.", "a memo entry 5, got none"},
      {std::string("j\x01\x00\x00\x00.", 6), "a memo entry 1, got none"},
      {std::string("Nr\xff\xff\xff\xff.", 7), "a memo index below"},
      {"q\x01.", "expected a value on the stack"},
      {std::string("X\xff\xff\xff\xff.", 6), "a text of 4294967295 bytes"},
      {std::string("\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", 10), "bytes, got only"},
      {std::string("\x95\xff\xff\xff\xff\xff\xff\xff\x7f.", 10), "a frame of"},
      {"\x8a\xff.", "an integer of 255 bytes"},
      {"c.", "a line with a name"},
      {"K\x01K\x02s.", "expected a value on the stack"},
      {"NK\x01K\x02s.", "expected a dictionary, got None"},
      {"]K\x01K\x02s.", "expected a dictionary, got a list"},
      {"}K\x01"
       "a.",
       "expected a list, got a dictionary"},
      {"}(K\x01u.", "in pairs"},
      {"K\x01)R.", "a call of a global with a tuple, got an integer"},
      {"K\x01}b.", "state for a dictionary or a Namespace, got it for an integer"},
      {"K\x01K\x02\x93.", "module and name as texts"},
      {"NQ.", "a storage's persistent id"},
      {"", "an opcode of 1 bytes"},
      {"}.", "expected tensors, got none"},
  };
  for (const auto& [program, reason] : cases)
    expect_refused(torch_zip(program), HN_DATA_LOSS, {reason});
}

// Containers that hold themselves, or one another twice, thirty levels deep.
TEST(TorchFile, RefusesBombs) {
  const std::string one = tensor("0", "Float", 1, 0, {1}, {1});
  const TorchData data = {{"0", std::string(4, '\0')}};
  expect_refused(torch_zip("}q\x01(" + text("a") + "h\x01" + text("t") + one + "u.", data),
                 HN_DATA_LOSS, {"nested at most 64 deep"});
  std::string doubling = "]" + one + "aq\x01";
  for (int i = 0; i < 30; ++i)
    doubling +=
        "](h\x01h\x01"
        "eq\x01";
  expect_refused(torch_zip(doubling + ".", data), HN_DATA_LOSS, {"values in containers"});
  // A million nested lists: read, freed without recursion, refused for its depth.
  std::string deep(1000000, ']');
  deep += one + std::string(1000000, 'a') + ".";
  expect_refused(torch_zip(deep, data), HN_DATA_LOSS, {"nested at most 64 deep"});
  expect_refused(torch_zip(std::string(9000000, 'N')), HN_DATA_LOSS, {"values, got more"});
  expect_refused(torch_zip("N" + std::string(9000000, '2')), HN_DATA_LOSS, {"bounded height"});
}

// How much memory opening the file takes at most, in MiB, in a process of its own.
double peak_mib(const std::string& bytes) {
  const TemporaryFile file;
  file.write(bytes);
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      TorchFile::open(file.path());
    } catch (const Error&) {
      ::_exit(1);
    } catch (...) {
      ::_exit(2);
    }
    ::_exit(0);
  }
  int status = 0;
  rusage usage{};
  ::wait4(child, &status, 0, &usage);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 2) << status;
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// Files of 300 kB whose reading once took gigabytes.
TEST(TorchFile, BombsTakeLittleMemory) {
  const std::string one = tensor("0", "Float", 1, 0, {1}, {1});
  const TorchData data = {{"0", std::string(4, '\0')}};
  const std::string get = "h\x01";
  std::map<std::string, std::string> bombs;
  // A name as long as the file, on each of many tensors, and grown at each of many levels.
  std::string many = "}(" + text(std::string(100'000, 'n')) + "](" + one + "q\x01";
  for (int i = 0; i < 100'000; ++i) many += get;
  bombs["a long name of many tensors"] = many + "eu.";
  std::string levels = text(std::string(200'000, 'k')) + "q\x01" + "0" + one + "q\x02" + "0";
  for (int i = 0; i < 60; ++i)
    levels +=
        "}(h\x01h\x02uq\x02"
        "0";
  bombs["a long name at many levels"] = levels + "h\x02.";
  // Containers that are shared, two and two.
  std::string doubling = "]" + one + "aq\x01";
  for (int i = 0; i < 60; ++i)
    doubling +=
        "](h\x01h\x01"
        "eq\x01";
  bombs["shared lists"] = doubling + ".";
  // A large dictionary copied by each of many calls; a long size kept by each of many tensors.
  std::string copies = "}q\x01(";
  for (int i = 0; i < 35'000; ++i) copies += "K\x01h\x02";
  copies = one +
           "q\x02"
           "0" +
           copies + "u0" + global("collections", "OrderedDict") +
           "q\x03"
           "0(";
  for (int i = 0; i < 20'000; ++i) copies += "h\x03h\x01\x85R";
  bombs["a dictionary copied by calls"] = copies + "l.";
  std::string sizes = "(";
  for (int i = 0; i < 70'000; ++i) sizes += "K\x01";
  sizes +=
      "tq\x01"
      "0" +
      global("torch", "Size") +
      "q\x03"
      "0(";
  for (int i = 0; i < 20'000; ++i) sizes += "h\x03h\x01\x85R";
  bombs["a long size copied by calls"] = sizes + "l.";
  bombs["one value a byte"] = std::string(300'000, 'N') + ".";
  bombs["one list a byte"] = std::string(300'000, ']') + ".";
  bombs["marks"] = std::string(300'000, '(') + ".";
  bombs["entries of the memo"] = "N" + std::string(300'000, '\x94') + ".";
  bombs["a memo with a gap"] = std::string("Nr\xff\xff\x1f\0.", 7);
  std::string integers_of_255;
  for (int i = 0; i < 1000; ++i) integers_of_255 += "\x8a\xff" + std::string(255, '\x7f');
  bombs["long integers"] = integers_of_255 + ".";
  for (const auto& [name, program] : bombs) {
    EXPECT_LE(program.size(), 700'000u) << name;
    EXPECT_LT(peak_mib(torch_zip(program, data)), 100) << name;
  }
}

TEST(TorchFile, BoundsNamesSizesAndKeys) {
  const TorchData data = {{"0", std::string(4, '\0')}};
  const std::string one = tensor("0", "Float", 1, 0, {1}, {1});
  expect_refused(torch_zip("}" + text(std::string(2000, 'n')) + one + "s.", data), HN_DATA_LOSS,
                 {"names of at most 1024 bytes, got 2000"});
  expect_refused(torch_zip("}" + text("w") +
                               tensor("0", "Float", 1, 0, std::vector<std::int64_t>(65, 1),
                                      std::vector<std::int64_t>(65, 1)) +
                               "s.",
                           data),
                 HN_DATA_LOSS, {"a size of at most 64 dimensions, got 65"});
  expect_refused(
      torch_zip("}" + text("w") + tensor(std::string(300, '0'), "Float", 1, 0, {1}, {1}) + "s.",
                data),
      HN_DATA_LOSS, {"a key of at most 256 bytes, got 300"});
  expect_refused(torch_zip(std::string(5000, '(')), HN_DATA_LOSS, {"at most 4096 open marks"});
  expect_refused(torch_zip(global(std::string(5000, 'm'), "x") + "."), HN_UNSUPPORTED,
                 {"the Python global \"mmm", "mmm...\""});
  std::string list = "](" + one + "q\x01";
  for (int i = 0; i < 300'000; ++i) list += "h\x01";
  expect_refused(torch_zip(list + "e.", data), HN_DATA_LOSS, {"at most 262144 tensors"});
}

TEST(TorchFile, RefusesTensorsThatLeaveTheirStorage) {
  const TorchData data = {{"0", std::string(24, '\0')}};  // 6 floats
  const auto file = [&](const std::string& t) {
    return torch_zip("}" + text("w") + t + "s.", data);
  };
  const TemporaryFile good;
  good.write(file(tensor("0", "Float", 6, 1, {2, 2}, {3, 1})));
  EXPECT_EQ(TorchFile::open(good.path()).tensors().size(), 1u);
  const char* inside = "inside its storage \"0\" of 6 elements";
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  for (const std::string& bad :
       {tensor("0", "Float", 6, 0, {7}, {1}), tensor("0", "Float", 6, 6, {1}, {1}),
        tensor("0", "Float", 6, 2, {2, 2}, {3, 1}), tensor("0", "Float", 6, 7, {0}, {1}),
        tensor("0", "Float", 6, 0, {2}, {kHuge}),
        tensor("0", "Float", 6, 0, {3, 3}, {kHuge, kHuge}),
        tensor("0", "Float", 6, kHuge, {1}, {1})})
    expect_refused(file(bad), HN_DATA_LOSS, {inside});
  expect_refused(file(tensor("0", "Float", 6, 0, {kHuge, 4}, {0, 0})), HN_DATA_LOSS,
                 {"fits into 64 bits"});
  expect_refused(file(tensor("0", "Float", 6, -1, {1}, {1})), HN_DATA_LOSS,
                 {"an offset from 0 on"});
  expect_refused(file(tensor("0", "Float", 6, 0, {-1}, {1})), HN_DATA_LOSS, {"got -1"});
  expect_refused(file(tensor("0", "Float", 6, 0, {1}, {-1})), HN_DATA_LOSS,
                 {"a stride of integers"});
  expect_refused(file(tensor("0", "Float", 6, 0, {1, 1}, {1})), HN_DATA_LOSS,
                 {"one stride a dimension"});
  expect_refused(file(tensor("0", "Float", 5, 0, {1}, {1})), HN_DATA_LOSS,
                 {"data/0: expected 20 bytes", "got 24"});
  expect_refused(file(tensor("1", "Float", 6, 0, {1}, {1})), HN_DATA_LOSS, {"data/1"});
  expect_refused(file(tensor("0", "Float", kHuge, 0, {1}, {1})), HN_DATA_LOSS, {"64 bits"});
  expect_refused(file(tensor("0", "Float", -1, 0, {1}, {1})), HN_DATA_LOSS, {"(\"storage\", type"});
  expect_refused(file(tensor("0", "Float", 6, 0, {1}, {1}, "}" + text("conj") + "\x88s")),
                 HN_DATA_LOSS, {"conj or neg bits"});
  // One key, two sizes; one name, two tensors.
  expect_refused(torch_zip("](" + tensor("0", "Float", 6, 0, {1}, {1}) +
                               tensor("0", "Half", 12, 0, {1}, {1}) + "e.",
                           data),
                 HN_DATA_LOSS, {"to stay 6 elements of F32, got 12 of F16"});
  const std::string t = tensor("0", "Float", 6, 0, {1}, {1});
  expect_refused(torch_zip("}(" + text("w") + t + text("w") + t + "u.", data), HN_DATA_LOSS,
                 {"two tensors \"w\""});
}

TEST(TorchFile, RefusesLyingArchives) {
  const TorchData data = {{"0", std::string(4, '\1')}};
  const std::string program = "}" + text("w") + tensor("0", "Float", 1, 0, {1}, {1}) + "s.";
  ZipOptions options;
  options.method = 8;
  expect_refused(torch_zip(program, data, '\2', options), HN_UNSUPPORTED,
                 {"expected a stored member", "method 8"});
  options = {};
  options.flags = 1;
  expect_refused(torch_zip(program, data, '\2', options), HN_UNSUPPORTED, {"encrypted"});
  options = {};
  options.crc_error = true;
  expect_refused(torch_zip(program, data, '\2', options), HN_DATA_LOSS,
                 {"expected the checksum", "damaged"});
  options = {};
  options.twice = true;
  expect_refused(torch_zip(program, data, '\2', options), HN_DATA_LOSS,
                 {"one member of this name"});
  options = {};
  options.overlap = true;
  expect_refused(torch_zip(program, data, '\2', options), HN_DATA_LOSS, {"overlap"});
  options = {};
  options.size_lie = 1 << 20;
  expect_refused(torch_zip(program, data, '\2', options), HN_DATA_LOSS, {"before the directory"});
  options = {};
  options.extra_entries = 3;
  expect_refused(torch_zip(program, data, '\2', options), HN_DATA_LOSS, {"zip archive"});
  options = {};
  options.local_name_lie = true;
  expect_refused(torch_zip(program, data, '\2', options), HN_DATA_LOSS, {"the same name"});
  options = {};
  options.more = {{"archive/byteorder", "big"}};
  expect_refused(torch_zip(program, data, '\2', options), HN_UNSUPPORTED, {"byteorder big"});
  options.more = {{"archive/constants.pkl", "x"}};
  expect_refused(torch_zip(program, data, '\2', options), HN_UNSUPPORTED, {"TorchScript"});
  options.more = {{"other/data.pkl", "N."}};
  expect_refused(torch_zip(program, data, '\2', options), HN_DATA_LOSS, {"got several"});
  expect_refused(zip_file({{"readme.txt", "hello"}}), HN_DATA_LOSS, {"FOLDER/data.pkl"});
}

TEST(TorchFile, SaysWhatOtherFilesAre) {
  expect_refused("", HN_DATA_LOSS, {"an empty file"});
  expect_refused("<!DOCTYPE html>", HN_DATA_LOSS, {"a web page"});
  expect_refused("version https://git-lfs.github.com/spec/v1", HN_DATA_LOSS, {"Git LFS pointer"});
  expect_refused("PK\5\6", HN_DATA_LOSS, {"damaged zip"});
  expect_refused("hello", HN_DATA_LOSS, {"something else"});
  expect_refused("\x80\x02K\x01.", HN_DATA_LOSS, {"torch's magic number"});
  EXPECT_THROW(TorchFile::open(kGolden / "none.pt"), Error);
  EXPECT_THROW(TorchFile::open(kGolden), Error);
  EXPECT_TRUE(looks_like_torch_file(kGolden / "zip.pt"));
  EXPECT_TRUE(looks_like_torch_file(kGolden / "legacy.pt"));
  EXPECT_FALSE(looks_like_torch_file(kGolden / "make.py"));
  EXPECT_FALSE(looks_like_torch_file(kGolden / "none.pt"));
  EXPECT_FALSE(looks_like_torch_file("/dev/zero")) << "no regular file";
}

}  // namespace
}  // namespace hn::test
