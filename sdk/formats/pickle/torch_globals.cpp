#include "formats/pickle/torch_globals.hpp"

#include <array>
#include <hn/cpp/error.hpp>
#include <hn/formats/dtype.hpp>
#include <optional>

namespace hn::pickle {
namespace {

// What a known callable gives; kNothing: a name that may be stored, not called.
enum class Effect {
  kNothing,
  kTensor,     // _rebuild_tensor(storage, offset, size, stride)
  kTensorV2,   // ... (+ requires_grad, backward_hooks, metadata)
  kTensorV3,   // ... (+ requires_grad, backward_hooks, dtype, metadata)
  kParameter,  // _rebuild_parameter(tensor, requires_grad, backward_hooks)
  kDict,       // OrderedDict(), OrderedDict([(key, value), ...])
  kSequence,   // torch.Size((1, 2)): its one argument
  kSet,        // set([...])
  kOpaque,     // whatever it is, no tensor is in it
};

struct Known {
  std::string_view name;
  Effect effect;
};
constexpr std::array<Known, 17> kKnown = {{
    {"torch._utils._rebuild_tensor", Effect::kTensor},
    {"torch._utils._rebuild_tensor_v2", Effect::kTensorV2},
    {"torch._utils._rebuild_tensor_v3", Effect::kTensorV3},
    {"torch._utils._rebuild_parameter", Effect::kParameter},
    {"collections.OrderedDict", Effect::kDict},
    {"torch.Size", Effect::kSequence},
    {"builtins.set", Effect::kSet},
    {"__builtin__.set", Effect::kSet},
    {"builtins.frozenset", Effect::kSet},
    {"__builtin__.frozenset", Effect::kSet},
    {"torch.device", Effect::kOpaque},
    {"_codecs.encode", Effect::kOpaque},  // bytes, as protocol 2 writes them
    {"argparse.Namespace", Effect::kOpaque},
    {"torch.strided", Effect::kNothing},
    {"torch.contiguous_format", Effect::kNothing},
    {"torch.preserve_format", Effect::kNothing},
    {"torch.channels_last", Effect::kNothing},
}};

struct TypeName {
  std::string_view name;
  TensorDtype dtype;
};
// torch.NAMEStorage, also torch.cuda.NAMEStorage.
constexpr std::array<TypeName, 11> kStorages = {{
    {"Double", TensorDtype::kF64},
    {"Float", TensorDtype::kF32},
    {"Half", TensorDtype::kF16},
    {"BFloat16", TensorDtype::kBF16},
    {"Long", TensorDtype::kI64},
    {"Int", TensorDtype::kI32},
    {"Short", TensorDtype::kI16},
    {"Char", TensorDtype::kI8},
    {"Byte", TensorDtype::kU8},
    {"Bool", TensorDtype::kBool},
    {"ComplexFloat", TensorDtype::kC64},
}};
constexpr std::array<TypeName, 19> kDtypes = {{
    {"torch.float64", TensorDtype::kF64},
    {"torch.float32", TensorDtype::kF32},
    {"torch.float16", TensorDtype::kF16},
    {"torch.bfloat16", TensorDtype::kBF16},
    {"torch.int64", TensorDtype::kI64},
    {"torch.int32", TensorDtype::kI32},
    {"torch.int16", TensorDtype::kI16},
    {"torch.int8", TensorDtype::kI8},
    {"torch.uint8", TensorDtype::kU8},
    {"torch.bool", TensorDtype::kBool},
    {"torch.complex64", TensorDtype::kC64},
    {"torch.uint16", TensorDtype::kU16},
    {"torch.uint32", TensorDtype::kU32},
    {"torch.uint64", TensorDtype::kU64},
    {"torch.float8_e4m3fn", TensorDtype::kF8E4M3},
    {"torch.float8_e5m2", TensorDtype::kF8E5M2},
    {"torch.float8_e4m3fnuz", TensorDtype::kF8E4M3FNUZ},
    {"torch.float8_e5m2fnuz", TensorDtype::kF8E5M2FNUZ},
    {"torch.float8_e8m0fnu", TensorDtype::kF8E8M0},
}};

bool is_untyped(std::string_view name) {
  return name == "torch.storage.UntypedStorage" || name == "torch.UntypedStorage" ||
         name == "torch.storage._UntypedStorage";
}

std::optional<TensorDtype> storage_dtype(std::string_view name) {
  constexpr std::string_view kEnd = "Storage";
  if (!name.ends_with(kEnd)) return std::nullopt;
  name.remove_suffix(kEnd.size());
  for (const std::string_view start : {"torch.cuda.", "torch."}) {
    if (!name.starts_with(start)) continue;
    for (const TypeName& type : kStorages)
      if (type.name == name.substr(start.size())) return type.dtype;
  }
  return std::nullopt;
}

std::optional<TensorDtype> named_dtype(std::string_view name) {
  for (const TypeName& type : kDtypes)
    if (type.name == name) return type.dtype;
  return std::nullopt;
}

const Known* known(std::string_view name) {
  for (const Known& k : kKnown)
    if (k.name == name) return &k;
  return nullptr;
}

// One tuple may be the size of many tensors, each of which keeps a copy.
constexpr std::size_t kMaxDimensions = 64;  // LibTorch's limit

// One call under evaluation: its arguments, read by place, and the words for its errors.
class Call {
 public:
  Call(Document& document, std::string_view name, const Value& arguments, const std::string& where)
      : document_(document), name_(name), items_(arguments.items), where_(where) {}

  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(HN_DATA_LOSS, where_ + ": " + std::string(name_) + ": " + what);
  }
  void count(std::size_t least, std::size_t most) const {
    if (items_.size() < least || items_.size() > most)
      refuse("expected " + std::to_string(least) + " to " + std::to_string(most) +
             " arguments, got " + std::to_string(items_.size()));
  }
  const Value& at(std::size_t i) const { return document_.at(items_[i]); }
  const Value& at(std::size_t i, Kind kind) const {
    const Value& value = at(i);
    if (value.kind != kind)
      refuse("expected " + std::string(kind_name(kind)) + " as argument " + std::to_string(i) +
             ", got " + std::string(kind_name(value.kind)));
    return value;
  }
  std::size_t size() const { return items_.size(); }
  Document& document() const { return document_; }

  std::vector<std::int64_t> sizes(std::size_t i, const char* what) const {
    std::vector<std::int64_t> numbers;
    if (at(i, Kind::kTuple).items.size() > kMaxDimensions)
      refuse("expected a " + std::string(what) + " of at most " + std::to_string(kMaxDimensions) +
             " dimensions, got " + std::to_string(at(i).items.size()));
    for (const Ref ref : at(i, Kind::kTuple).items) {
      const Value& value = document_.at(ref);
      if (value.kind != Kind::kInt || value.integer < 0)
        refuse(std::string("expected a ") + what + " of integers from 0 on, got " +
               (value.kind == Kind::kInt ? std::to_string(value.integer)
                                         : std::string(kind_name(value.kind))));
      numbers.push_back(value.integer);
    }
    return numbers;
  }

 private:
  Document& document_;
  std::string_view name_;
  std::vector<Ref> items_;
  const std::string& where_;
};

// A conjugate or negative bit is a pending operation on the values; ignoring it would change them.
void check_metadata(const Call& call, std::size_t i) {
  if (call.size() <= i || call.at(i).kind == Kind::kNone) return;
  if (!call.at(i, Kind::kDict).items.empty())
    call.refuse("expected a tensor without metadata, got conj or neg bits or attributes");
}

Value tensor(const Call& call, std::optional<TensorDtype> dtype) {
  const Value& holder = call.at(0, Kind::kStorage);
  const auto index = static_cast<std::size_t>(holder.integer);
  const Storage& storage = call.document().storages[index];
  if (storage.untyped && !dtype) call.refuse("expected a typed storage, got an untyped one");
  TensorRecord record;
  record.storage = index;
  record.dtype = dtype.value_or(storage.dtype);
  const Value& offset = call.at(1, Kind::kInt);
  if (offset.integer < 0)
    call.refuse("expected an offset from 0 on, got " + std::to_string(offset.integer));
  record.offset = static_cast<std::uint64_t>(offset.integer);
  record.shape = call.sizes(2, "size");
  record.strides = call.sizes(3, "stride");
  if (record.shape.size() != record.strides.size())
    call.refuse("expected one stride a dimension, got " + std::to_string(record.strides.size()) +
                " for " + stored_shape_text(record.shape));
  if (!tensor_bytes(record.dtype, record.shape))
    call.refuse("expected a size that fits into 64 bits, got " + stored_shape_text(record.shape));
  // The last element that is touched, plus one.
  std::uint64_t end = record.offset + 1;
  bool overflow = false, empty = false;
  for (std::size_t d = 0; d < record.shape.size(); ++d) {
    empty = empty || record.shape[d] == 0;
    if (record.shape[d] == 0) continue;
    std::uint64_t reach = 0;
    overflow = overflow ||
               __builtin_mul_overflow(static_cast<std::uint64_t>(record.shape[d] - 1),
                                      static_cast<std::uint64_t>(record.strides[d]), &reach) ||
               __builtin_add_overflow(end, reach, &end);
  }
  const std::uint64_t unit = dtype_bits(record.dtype) / 8;
  const std::uint64_t elements =
      storage.elements * (dtype_bits(storage.dtype) / 8) / (unit == 0 ? 1 : unit);
  if (empty ? record.offset > elements : overflow || end > elements)
    call.refuse("expected a tensor inside its storage \"" + storage.key + "\" of " +
                std::to_string(elements) + " elements, got offset " +
                std::to_string(record.offset) + ", size " + stored_shape_text(record.shape) +
                ", stride " + stored_shape_text(record.strides));
  call.document().tensors.push_back(std::move(record));
  Value value;
  value.kind = Kind::kTensor;
  value.integer = static_cast<std::int64_t>(call.document().tensors.size() - 1);
  return value;
}

Value ordered_dict(const Call& call) {
  call.count(0, 1);
  Value dict;
  dict.kind = Kind::kDict;
  if (call.size() == 0) return dict;
  const Value& pairs = call.at(0);
  if (pairs.kind == Kind::kDict) {
    dict.items = pairs.items;
    return dict;
  }
  for (const Ref ref : call.at(0, Kind::kList).items) {
    const Value& pair = call.document().at(ref);
    if ((pair.kind != Kind::kTuple && pair.kind != Kind::kList) || pair.items.size() != 2)
      call.refuse("expected pairs of key and value, got " + std::string(kind_name(pair.kind)));
    dict.items.insert(dict.items.end(), pair.items.begin(), pair.items.end());
  }
  return dict;
}

Value of_kind(Kind kind, std::vector<Ref> items = {}) {
  Value value;
  value.kind = kind;
  value.items = std::move(items);
  return value;
}

Value tensor_v3(const Call& call) {
  call.count(7, 8);
  check_metadata(call, 7);
  const Value& type = call.at(6, Kind::kGlobal);
  const auto dtype = named_dtype(type.text);
  if (!dtype) call.refuse("expected a dtype, got " + std::string(type.text));
  return tensor(call, dtype);
}

}  // namespace

bool is_known_global(std::string_view name) {
  return known(name) != nullptr || is_untyped(name) || storage_dtype(name) || named_dtype(name);
}

Value call_global(Document& document, Ref callable, Ref arguments, const std::string& where) {
  const Value& function = document.at(callable);
  const Value& tuple = document.at(arguments);
  if (function.kind != Kind::kGlobal || tuple.kind != Kind::kTuple)
    throw Error(HN_DATA_LOSS, where + ": pickle: expected a call of a global with a tuple, got " +
                                  std::string(kind_name(function.kind)) + " with " +
                                  std::string(kind_name(tuple.kind)));
  const Known* entry = known(function.text);
  if (entry == nullptr || entry->effect == Effect::kNothing)
    throw Error(HN_UNSUPPORTED, where +
                                    ": expected a call that builds a tensor or a container, got " +
                                    std::string(function.text) + "(...)");
  const Call call(document, function.text, tuple, where);
  switch (entry->effect) {
    case Effect::kTensor: call.count(4, 4); return tensor(call, std::nullopt);
    case Effect::kTensorV2:
      call.count(5, 7);
      check_metadata(call, 6);
      return tensor(call, std::nullopt);
    case Effect::kTensorV3: return tensor_v3(call);
    case Effect::kParameter: call.count(1, 3); return call.at(0, Kind::kTensor);
    case Effect::kDict: return ordered_dict(call);
    case Effect::kSequence:
      call.count(1, 1);
      return of_kind(Kind::kTuple, call.at(0, Kind::kTuple).items);
    case Effect::kSet: return of_kind(Kind::kSet);
    case Effect::kOpaque: return of_kind(Kind::kOpaque);
    case Effect::kNothing: break;
  }
  throw Error(HN_INTERNAL, where + ": pickle: a known global without effect");
}

Value load_storage(Document& document, Ref id, const std::string& where) {
  const Value& tuple = document.at(id);
  const auto refuse = [&](const std::string& what) {
    throw Error(HN_DATA_LOSS, where + ": a storage's persistent id: " + what);
  };
  if (tuple.kind != Kind::kTuple || tuple.items.size() < 5 || tuple.items.size() > 6)
    refuse("expected a tuple of 5, got " + std::string(kind_name(tuple.kind)) + " of " +
           std::to_string(tuple.items.size()));
  const auto item = [&](std::size_t i) -> const Value& { return document.at(tuple.items[i]); };
  if (item(0).kind != Kind::kText || item(0).text != "storage" || item(1).kind != Kind::kGlobal ||
      item(2).kind != Kind::kText || item(4).kind != Kind::kInt || item(4).integer < 0)
    refuse("expected (\"storage\", type, key, location, size), got other values");
  if (tuple.items.size() == 6 && item(5).kind != Kind::kNone)
    throw Error(HN_UNSUPPORTED,
                where + ": storage \"" + std::string(item(2).text) +
                    "\": expected a whole storage, got a view of another (torch before 0.4)");
  constexpr std::size_t kMaxKey = 256;  // torch numbers them
  if (item(2).text.size() > kMaxKey)
    refuse("expected a key of at most " + std::to_string(kMaxKey) + " bytes, got " +
           std::to_string(item(2).text.size()));
  Storage storage;
  storage.key = item(2).text;
  storage.untyped = is_untyped(item(1).text);
  const auto dtype = storage.untyped ? TensorDtype::kU8 : storage_dtype(item(1).text);
  if (!dtype)
    throw Error(HN_UNSUPPORTED, where + ": storage \"" + storage.key +
                                    "\": expected a storage type, got " +
                                    std::string(item(1).text));
  storage.dtype = *dtype;
  storage.elements = static_cast<std::uint64_t>(item(4).integer);
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(storage.elements, std::uint64_t{dtype_bits(*dtype) / 8}, &bytes))
    refuse("expected a size that fits into 64 bits, got " + std::to_string(storage.elements) +
           " elements");
  Value value;
  value.kind = Kind::kStorage;
  // The same key again is the same storage: that is how tensors share memory.
  if (const auto found = document.storage_of_key.find(storage.key);
      found != document.storage_of_key.end()) {
    const Storage& other = document.storages[found->second];
    if (other.dtype != storage.dtype || other.elements != storage.elements ||
        other.untyped != storage.untyped)
      refuse("expected storage \"" + storage.key + "\" to stay " + std::to_string(other.elements) +
             " elements of " + std::string(dtype_name(other.dtype)) + ", got " +
             std::to_string(storage.elements) + " of " + std::string(dtype_name(storage.dtype)));
    value.integer = static_cast<std::int64_t>(found->second);
    return value;
  }
  document.storage_of_key.emplace(storage.key, document.storages.size());
  document.storages.push_back(std::move(storage));
  value.integer = static_cast<std::int64_t>(document.storages.size() - 1);
  return value;
}

}  // namespace hn::pickle
