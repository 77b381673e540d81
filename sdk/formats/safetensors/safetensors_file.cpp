#include <algorithm>
#include <bit>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/formats/dtype.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/formats/kind_of_file.hpp>
#include <hn/formats/mapped_file.hpp>
#include <hn/formats/safetensors.hpp>
#include <limits>
#include <unordered_map>

namespace hn {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian and the data is used in place");

using Json = nlohmann::json;

// 100 MiB; upstream's limit is 100 MB.
constexpr std::uint64_t kMaxHeaderBytes = std::uint64_t{100} << 20;
constexpr std::uint64_t kLengthBytes = 8;

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what) {
  throw Error(HN_DATA_LOSS, "[safetensors] " + path.string() + ": " + what);
}

[[noreturn]] void refuse_tensor(const std::filesystem::path& path, const std::string& tensor,
                                const std::string& what) {
  refuse(path, "tensor \"" + tensor + "\": " + what);
}

// Of one tensor's entry, which has about ten, or of the metadata.
constexpr std::size_t kMaxMemberValues = std::size_t{1} << 16;
constexpr std::size_t kMaxDimensions = 64;  // LibTorch's limit

// What the file is instead, where its first bytes tell; for the rest the length tells more.
void refuse_other_kinds(const std::filesystem::path& path, const KindOfFile& kind) {
  switch (kind.kind) {
    case FileKind::kEmpty:
    case FileKind::kSafetensors:
    case FileKind::kJson:
    case FileKind::kText:
    case FileKind::kZeros:
    case FileKind::kOther: return;
    default: refuse(path, "expected a safetensors file, got " + kind.text);
  }
}

std::string_view header_text(const std::filesystem::path& path, const MappedFile& mapping) {
  const std::string_view start(reinterpret_cast<const char*>(mapping.data()),
                               std::min<std::uint64_t>(mapping.size(), kKindBytes));
  const KindOfFile kind = kind_of_file(start, mapping.size());
  refuse_other_kinds(path, kind);
  if (mapping.size() < kLengthBytes)
    refuse(path, "expected a safetensors file of at least 8 bytes, got " +
                     std::to_string(mapping.size()) + " (" + kind.text + ")");
  std::uint64_t length = 0;
  std::memcpy(&length, mapping.data(), sizeof length);
  if (length > kMaxHeaderBytes)
    refuse(path, "expected a safetensors file, with a header of at most " +
                     std::to_string(kMaxHeaderBytes) + " bytes, got " + kind.text +
                     " (as a header's length: " + std::to_string(length) + ")");
  if (length > mapping.size() - kLengthBytes) {
    refuse(path, "expected a header of " + std::to_string(length) +
                     " bytes, got a file with only " +
                     std::to_string(mapping.size() - kLengthBytes) +
                     " bytes after the length (truncated?)");
  }
  const std::string_view text(reinterpret_cast<const char*>(mapping.data()) + kLengthBytes, length);
  if (text.empty() || text.front() != '{')
    refuse(path,
           "expected a header that begins with '{', got " +
               (text.empty() ? std::string("nothing")
                             : "byte " + std::to_string(static_cast<unsigned char>(text.front()))));
  return text;
}

std::map<std::string, std::string> read_metadata(const std::filesystem::path& path,
                                                 const Json& value) {
  if (value.is_null()) return {};
  if (!value.is_object())
    refuse(path,
           std::string("__metadata__: expected an object of texts, got ") + value.type_name());
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string())
      refuse(path, "__metadata__: \"" + key + "\": expected a text, got " + text.type_name());
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

const Json& field(const std::filesystem::path& path, const std::string& name, const Json& entry,
                  const char* key) {
  const auto found = entry.find(key);
  if (found == entry.end())
    refuse_tensor(path, name, std::string("expected dtype, shape and data_offsets, got no ") + key);
  return *found;
}

std::vector<std::int64_t> read_shape(const std::filesystem::path& path, const std::string& name,
                                     const Json& value) {
  std::vector<std::int64_t> shape;
  if (value.is_array() && value.size() > kMaxDimensions)
    refuse_tensor(path, name,
                  "expected at most " + std::to_string(kMaxDimensions) + " dimensions, got " +
                      std::to_string(value.size()));
  bool good = value.is_array();
  for (std::size_t i = 0; good && i < value.size(); ++i) {
    good = value[i].is_number_unsigned() &&
           value[i].get<std::uint64_t>() <=
               static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (good) shape.push_back(value[i].get<std::int64_t>());
  }
  if (!good)
    refuse_tensor(
        path, name,
        "expected a shape of non-negative 64-bit integers, got " + value.dump().substr(0, 80));
  return shape;
}

struct Range {
  std::uint64_t begin;
  std::uint64_t end;
};

Range read_offsets(const std::filesystem::path& path, const std::string& name, const Json& value) {
  if (!value.is_array() || value.size() != 2 || !value[0].is_number_unsigned() ||
      !value[1].is_number_unsigned()) {
    refuse_tensor(path, name,
                  "expected data_offsets [begin, end], got " + value.dump().substr(0, 80));
  }
  const Range range{value[0].get<std::uint64_t>(), value[1].get<std::uint64_t>()};
  if (range.begin > range.end)
    refuse_tensor(path, name,
                  "expected data_offsets in order, got [" + std::to_string(range.begin) + ", " +
                      std::to_string(range.end) + "]");
  return range;
}

struct Placed {
  Range range;
  TensorView view;
};

Placed read_entry(const std::filesystem::path& path, const std::string& name, const Json& entry) {
  if (!entry.is_object())
    refuse_tensor(path, name, std::string("expected an object, got ") + entry.type_name());
  const Json& dtype_value = field(path, name, entry, "dtype");
  const auto dtype = dtype_value.is_string()
                         ? dtype_from_name(dtype_value.get_ref<const std::string&>())
                         : std::nullopt;
  if (!dtype)
    refuse_tensor(
        path, name,
        "expected a dtype of " + dtype_list() + ", got " + dtype_value.dump().substr(0, 80));
  Placed placed;
  placed.view.name = name;
  placed.view.dtype = *dtype;
  placed.view.shape = read_shape(path, name, field(path, name, entry, "shape"));
  placed.range = read_offsets(path, name, field(path, name, entry, "data_offsets"));
  const auto bytes = tensor_bytes(*dtype, placed.view.shape);
  if (!bytes)
    refuse_tensor(path, name,
                  "expected a size that fits in 64 bits and fills whole bytes, got " +
                      std::string(dtype_name(*dtype)) + " " + stored_shape_text(placed.view.shape));
  placed.view.nbytes = *bytes;
  return placed;
}

// No tensor ends behind the file: where one does, the whole size is told too.
void check_size(const std::filesystem::path& path, const std::vector<Placed>& placed,
                std::uint64_t header_size, std::uint64_t data_size) {
  const auto last =
      std::max_element(placed.begin(), placed.end(),
                       [](const Placed& a, const Placed& b) { return a.range.end < b.range.end; });
  if (last == placed.end() || last->range.end <= data_size) return;
  const std::uint64_t before = kLengthBytes + header_size, room = ~std::uint64_t{0} - before;
  refuse_tensor(path, last->view.name,
                "expected data within the file's " + std::to_string(data_size) +
                    " bytes of data, got an end at " + std::to_string(last->range.end) + ": " +
                    (last->range.end > room
                         ? "no file is so large"
                         : "the file has " + std::to_string(before + data_size) + " bytes of " +
                               std::to_string(before + last->range.end) + " (truncated?)"));
}

void check_bytes(const std::filesystem::path& path, const Placed& placed) {
  const std::uint64_t range = placed.range.end - placed.range.begin;
  if (placed.view.nbytes == range) return;
  refuse_tensor(path, placed.view.name,
                "expected " + std::to_string(placed.view.nbytes) + " bytes for " +
                    std::string(dtype_name(placed.view.dtype)) + " " +
                    stored_shape_text(placed.view.shape) + ", got data_offsets over " +
                    std::to_string(range));
}

// Every byte of the data belongs to exactly one tensor, as the format demands.
void check_coverage(const std::filesystem::path& path, const std::vector<Placed>& placed,
                    std::uint64_t data_size) {
  std::uint64_t covered = 0;
  const std::string* previous = nullptr;
  for (const Placed& item : placed) {
    if (item.range.begin < covered) {
      refuse_tensor(path, item.view.name,
                    "expected data from byte " + std::to_string(covered) +
                        " on, got an overlap with \"" + *previous + "\" from " +
                        std::to_string(item.range.begin));
    }
    if (item.range.begin > covered) {
      refuse_tensor(path, item.view.name,
                    "expected data from byte " + std::to_string(covered) +
                        " on, got a hole up to " + std::to_string(item.range.begin));
    }
    covered = item.range.end;
    previous = &item.view.name;
  }
  if (covered != data_size) {
    refuse(path, "expected " + std::to_string(covered) + " bytes of data as the header says, got " +
                     std::to_string(data_size));
  }
}

}  // namespace

struct SafetensorsFile::State {
  explicit State(const std::filesystem::path& file) : path(file), mapping(file, "[safetensors]") {}

  std::filesystem::path path;
  MappedFile mapping;
  std::vector<TensorView> tensors;
  std::map<std::string, std::string> metadata;
  std::unordered_map<std::string_view, std::size_t> index;  // keys borrow from tensors
};

std::int64_t TensorView::numel() const {
  std::int64_t count = 1;
  for (const std::int64_t dimension : shape) count *= dimension;
  return count;
}

std::string_view TensorView::dtype_string() const { return dtype_name(dtype); }

SafetensorsFile::SafetensorsFile(std::shared_ptr<const State> state) : state_(std::move(state)) {}

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  auto state = std::make_shared<State>(path);
  const std::string_view text = header_text(path, state->mapping);
  const std::byte* data = state->mapping.data() + kLengthBytes + text.size();
  const std::uint64_t data_size = state->mapping.size() - kLengthBytes - text.size();

  std::vector<Placed> placed;
  parse_json_members(text, "[safetensors] " + path.string() + ": header", kMaxMemberValues,
                     [&](const std::string& name, const Json& entry) {
                       if (name == "__metadata__")
                         state->metadata = read_metadata(path, entry);
                       else
                         placed.push_back(read_entry(path, name, entry));
                     });
  check_size(path, placed, text.size(), data_size);
  for (const Placed& item : placed) check_bytes(path, item);
  std::sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
    return a.range.begin != b.range.begin ? a.range.begin < b.range.begin
                                          : a.range.end < b.range.end;
  });
  check_coverage(path, placed, data_size);

  state->tensors.reserve(placed.size());
  for (Placed& item : placed) {
    item.view.data = data + item.range.begin;
    state->tensors.push_back(std::move(item.view));
  }
  for (std::size_t i = 0; i < state->tensors.size(); ++i)
    state->index.emplace(state->tensors[i].name, i);
  return SafetensorsFile(std::move(state));
}

bool is_safetensors_file(const std::filesystem::path& path) {
  return kind_of_file(path).kind == FileKind::kSafetensors;
}

const std::filesystem::path& SafetensorsFile::path() const { return state_->path; }
const std::vector<TensorView>& SafetensorsFile::tensors() const { return state_->tensors; }
const std::map<std::string, std::string>& SafetensorsFile::metadata() const {
  return state_->metadata;
}
std::shared_ptr<const void> SafetensorsFile::keep_alive() const { return state_; }

void SafetensorsFile::release(const TensorView& view) const {
  if (view.nbytes > 0) state_->mapping.release(view.data, view.nbytes);
}

const TensorView* SafetensorsFile::find(std::string_view name) const {
  const auto found = state_->index.find(name);
  return found == state_->index.end() ? nullptr : &state_->tensors[found->second];
}

const TensorView& SafetensorsFile::at(std::string_view name) const {
  if (const TensorView* found = find(name)) return *found;
  std::vector<std::string> names;
  for (const TensorView& tensor : state_->tensors) names.push_back(tensor.name);
  throw Error(HN_NOT_FOUND, "[safetensors] " + state_->path.string() + ": expected the tensor \"" +
                                std::string(name) + "\", got " + std::to_string(names.size()) +
                                " others" + nearest_hint(name, names));
}

}  // namespace hn
