// What a pickle of plain data unfolds to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <hn/formats/safetensors.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hn::pickle {

// An index into Document::values. Values refer to one another by index, so that a value that holds
// itself, or a million levels of lists, costs nothing to free.
using Ref = std::uint32_t;

enum class Kind : std::uint8_t {
  kNone,
  kBool,
  kInt,     // fits into 64 bits
  kBigInt,  // does not; `text` has its bytes
  kFloat,
  kText,
  kBytes,
  kTuple,
  kList,
  kDict,  // `items`: key, value, key, value, ...
  kSet,
  kGlobal,   // `text`: "module.name", one of the allowed
  kStorage,  // `integer`: index into Document::storages
  kTensor,   // `integer`: index into Document::tensors
  kOpaque,   // allowed, but without meaning here (a device, a Namespace)
};

std::string_view kind_name(Kind kind);  // "a tuple", for messages

struct Value {
  Kind kind = Kind::kNone;
  std::int64_t integer = 0;
  std::string_view text;  // borrows from the pickle's bytes or from Document::strings
  std::vector<Ref> items;
};

// A block of elements that tensors look into. Its bytes lie outside of the pickle, under `key`.
struct Storage {
  std::string key;
  TensorDtype dtype = TensorDtype::kU8;
  bool untyped = false;        // counted in bytes, the tensors say the type
  std::uint64_t elements = 0;  // of dtype
};

// A tensor over a storage. Checked: nothing negative, no overflow, every element inside the
// storage as the pickle states its size.
struct TensorRecord {
  std::size_t storage = 0;
  TensorDtype dtype = TensorDtype::kF32;
  std::uint64_t offset = 0;  // elements of dtype
  std::vector<std::int64_t> shape, strides;
};

struct Document {
  std::deque<Value> values;
  std::deque<std::string> strings;
  std::vector<Storage> storages;
  std::map<std::string, std::size_t, std::less<>> storage_of_key;
  std::vector<TensorRecord> tensors;
  Ref root = 0;
  std::size_t bytes_read = 0;  // up to and with the STOP opcode

  const Value& at(Ref ref) const { return values[ref]; }
};

}  // namespace hn::pickle
