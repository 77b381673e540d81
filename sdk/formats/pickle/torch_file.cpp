#include <hn/cpp/error.hpp>
#include <hn/formats/dtype.hpp>
#include <hn/formats/kind_of_file.hpp>
#include <hn/formats/mapped_file.hpp>
#include <hn/formats/torch_file.hpp>
#include <optional>
#include <unordered_map>
#include <utility>

#include "formats/pickle/torch_layout.hpp"

namespace hn {
namespace {

using pickle::Document;
using pickle::Kind;
using pickle::Ref;
using pickle::Value;

constexpr int kMaxDepth = 64;
// Shared and cyclic containers can name one tensor without end, by names as long as the file.
constexpr std::size_t kMaxVisits = std::size_t{1} << 22;
constexpr std::size_t kVisitWeight = 8;  // of a tensor or container beside a value that is passed
constexpr std::size_t kMaxTensors = std::size_t{1} << 18;
constexpr std::size_t kMaxAllNames = std::size_t{32} << 20;
constexpr std::size_t kMaxNameBytes = 1024;  // of one name; published ones have some hundred

std::string_view first_bytes(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kKindBytes)};
}

bool is_zip(std::string_view start) { return start.starts_with(std::string_view("PK\3\4", 4)); }
bool is_pickle(std::string_view start) { return start.size() > 1 && start[0] == '\x80'; }

struct Named {
  std::string name;
  std::size_t tensor;
};

// Walks the stored object for tensors.
class Collector {
 public:
  Collector(const Document& document, const std::string& where)
      : document_(document), where_(where) {}

  std::vector<Named> run() {
    Ref from = document_.root;
    for (const std::string_view key : {"state_dict", "model"}) {
      const std::optional<Ref> inner = member(document_.root, key);
      if (inner && document_.at(*inner).kind == Kind::kDict && holds_tensors(*inner)) {
        from = *inner;
        break;
      }
    }
    if (document_.at(from).kind == Kind::kTensor)
      return {{"tensor", static_cast<std::size_t>(document_.at(from).integer)}};
    visit(from, "", 0);
    return std::move(found_);
  }

 private:
  std::optional<Ref> member(Ref ref, std::string_view key) const {
    const Value& dict = document_.at(ref);
    if (dict.kind != Kind::kDict) return std::nullopt;
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const Value& name = document_.at(dict.items[i]);
      if (name.kind == Kind::kText && name.text == key) return dict.items[i + 1];
    }
    return std::nullopt;
  }
  bool holds_tensors(Ref dict) const {
    for (const Ref item : document_.at(dict).items)
      if (document_.at(item).kind == Kind::kTensor) return true;
    return false;
  }

  static bool is_container(Kind kind) {
    return kind == Kind::kDict || kind == Kind::kList || kind == Kind::kTuple;
  }

  void visit(Ref ref, const std::string& name, int depth) {
    const Value& value = document_.at(ref);
    if (value.kind == Kind::kTensor) {
      visits_ += kVisitWeight;
      name_bytes_ += name.size();
      if (found_.size() >= kMaxTensors || name_bytes_ > kMaxAllNames)
        throw Error(HN_DATA_LOSS, where_ + ": expected at most " + std::to_string(kMaxTensors) +
                                      " tensors, with names of " + std::to_string(kMaxAllNames) +
                                      " bytes together, got more");
      found_.push_back({name, static_cast<std::size_t>(value.integer)});
    }
    if (!is_container(value.kind)) return;
    if (depth >= kMaxDepth)
      throw Error(HN_DATA_LOSS, where_ + ": expected containers nested at most " +
                                    std::to_string(kMaxDepth) + " deep, got more at \"" +
                                    name.substr(0, 80) + "\"");
    visits_ += value.items.size() + kVisitWeight;
    if (visits_ > kMaxVisits)
      throw Error(HN_DATA_LOSS, where_ + ": expected at most " + std::to_string(kMaxVisits) +
                                    " values in containers, got more (shared ones count each "
                                    "time)");
    const std::string start = name.empty() ? "" : name + ".";
    if (value.kind != Kind::kDict) {
      for (std::size_t i = 0; i < value.items.size(); ++i)
        if (matters(value.items[i]))
          visit(value.items[i], joined(start, std::to_string(i)), depth + 1);
      return;
    }
    for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
      const Value& key = document_.at(value.items[i]);
      if (!matters(value.items[i + 1])) continue;
      if (key.kind != Kind::kText && key.kind != Kind::kInt)
        throw Error(HN_DATA_LOSS, where_ + ": expected names or numbers as keys of tensors, got " +
                                      std::string(pickle::kind_name(key.kind)));
      visit(value.items[i + 1],
            key.kind == Kind::kText ? joined(start, key.text)
                                    : joined(start, std::to_string(key.integer)),
            depth + 1);
    }
  }
  std::string joined(const std::string& start, std::string_view key) {
    if (start.size() + key.size() > kMaxNameBytes)
      throw Error(HN_DATA_LOSS, where_ + ": expected names of at most " +
                                    std::to_string(kMaxNameBytes) + " bytes, got " +
                                    std::to_string(start.size() + key.size()) + " for \"" +
                                    start.substr(0, 80) + std::string(key.substr(0, 80)) + "...\"");
    return start + std::string(key);
  }
  bool matters(Ref ref) const {
    const Kind kind = document_.at(ref).kind;
    return kind == Kind::kTensor || is_container(kind);
  }

  const Document& document_;
  const std::string& where_;
  std::vector<Named> found_;
  std::size_t visits_ = 0, name_bytes_ = 0;
};

}  // namespace

std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t step = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    strides[d] = step;
    step *= std::max<std::int64_t>(shape[d], 1);
  }
  return strides;
}

std::int64_t StridedView::numel() const {
  std::int64_t count = 1;
  for (const std::int64_t dimension : shape) count *= dimension;
  return count;
}

std::uint64_t StridedView::bytes() const {
  return static_cast<std::uint64_t>(numel()) * dtype_bits(dtype) / 8;
}

bool StridedView::is_contiguous() const {
  if (numel() == 0) return true;
  std::int64_t step = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    if (shape[d] != 1 && strides[d] != step) return false;
    step *= shape[d];
  }
  return true;
}

std::uint64_t StridedView::extent_bytes() const {
  if (numel() == 0) return 0;
  std::uint64_t elements = 1;
  for (std::size_t d = 0; d < shape.size(); ++d)
    elements += static_cast<std::uint64_t>(shape[d] - 1) * static_cast<std::uint64_t>(strides[d]);
  return elements * (dtype_bits(dtype) / 8);
}

struct TorchFile::State {
  State(const std::filesystem::path& file, const std::string& label)
      : path(file), mapping(file, label) {}

  std::filesystem::path path;
  MappedFile mapping;
  std::vector<StridedView> tensors;
  std::unordered_map<std::string_view, std::size_t> index;  // keys borrow from tensors
};

TorchFile TorchFile::open(const std::filesystem::path& path, Checksums checksums) {
  auto state = std::make_shared<State>(path, "[torch file]");
  const std::string where = "[torch file] " + path.string();
  const auto bytes = state->mapping.bytes();
  const std::string_view start = first_bytes(bytes);
  if (!is_zip(start) && !is_pickle(start))
    throw Error(HN_DATA_LOSS, where + ": expected a file of torch.save, got " +
                                  kind_of_file(start, bytes.size()).text);
  const pickle::Layout layout =
      is_zip(start) ? pickle::read_zip_layout(bytes, checksums == Checksums::kAll, where)
                    : pickle::read_legacy_layout(bytes, where);

  const std::vector<Named> names = Collector(layout.document, where).run();
  if (names.empty()) throw Error(HN_DATA_LOSS, where + ": expected tensors, got none in the file");
  state->tensors.reserve(names.size());
  for (const Named& named : names) {
    const pickle::TensorRecord& record = layout.document.tensors[named.tensor];
    StridedView view{named.name, record.dtype, record.shape, record.strides, nullptr};
    view.data =
        layout.storages[record.storage].data() + record.offset * (dtype_bits(record.dtype) / 8);
    state->tensors.push_back(std::move(view));
  }
  for (std::size_t i = 0; i < state->tensors.size(); ++i) {
    if (!state->index.emplace(state->tensors[i].name, i).second)
      throw Error(HN_DATA_LOSS, where + ": expected each name once, got two tensors \"" +
                                    state->tensors[i].name + "\"");
  }
  return TorchFile(std::move(state));
}

const std::filesystem::path& TorchFile::path() const { return state_->path; }
const std::vector<StridedView>& TorchFile::tensors() const { return state_->tensors; }
const StridedView* TorchFile::find(std::string_view name) const {
  const auto found = state_->index.find(name);
  return found == state_->index.end() ? nullptr : &state_->tensors[found->second];
}
std::shared_ptr<const void> TorchFile::keep_alive() const { return state_; }

void TorchFile::release(const StridedView& view) const {
  if (view.extent_bytes() > 0) state_->mapping.release(view.data, view.extent_bytes());
}

bool looks_like_torch_file(const std::filesystem::path& path) {
  const FileKind kind = kind_of_file(path).kind;
  return kind == FileKind::kZip || kind == FileKind::kPickle;
}

}  // namespace hn
