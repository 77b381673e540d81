#include <array>
#include <hn/formats/dtype.hpp>

namespace hn {
namespace {

struct DtypeFacts {
  std::string_view name;
  unsigned bits;
};

// In the order of TensorDtype.
constexpr std::array<DtypeFacts, 22> kFacts = {{
    {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
    {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
    {"I64", 64},        {"U64", 64},
}};
static_assert(kFacts[static_cast<std::size_t>(TensorDtype::kU64)].name == "U64");

}  // namespace

std::string_view dtype_name(TensorDtype dtype) {
  return kFacts.at(static_cast<std::size_t>(dtype)).name;
}
unsigned dtype_bits(TensorDtype dtype) { return kFacts.at(static_cast<std::size_t>(dtype)).bits; }

std::optional<TensorDtype> dtype_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kFacts.size(); ++i) {
    if (kFacts[i].name == name) return static_cast<TensorDtype>(i);
  }
  return std::nullopt;
}

std::string dtype_list() {
  std::string list;
  for (const DtypeFacts& facts : kFacts)
    list += (list.empty() ? "" : ", ") + std::string(facts.name);
  return list;
}

std::optional<std::uint64_t> tensor_bytes(TensorDtype dtype,
                                          const std::vector<std::int64_t>& shape) {
  // Element counts stay within int64, as at::Tensor has it; a zero dimension after an overflowing
  // product is refused, as upstream does.
  std::int64_t count = 1;
  for (const std::int64_t dimension : shape) {
    if (dimension < 0 || __builtin_mul_overflow(count, dimension, &count)) return std::nullopt;
  }
  std::uint64_t bits = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(count), std::uint64_t{dtype_bits(dtype)},
                             &bits))
    return std::nullopt;
  if (bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

std::string stored_shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace hn
