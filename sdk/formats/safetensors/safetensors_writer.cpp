#include <algorithm>
#include <array>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/formats/atomic_file.hpp>
#include <hn/formats/dtype.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/formats/safetensors.hpp>
#include <optional>

namespace hn {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what) {
  throw Error(HN_INVALID_ARGUMENT, "[safetensors] " + path.string() + ": " + what);
}

// A JSON text literal; bytes that are not UTF-8 have no spelling in JSON.
std::string quoted(const std::filesystem::path& path, const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::type_error&) {
    refuse(path, "expected names and metadata in UTF-8, got other bytes");
  }
}

void check_tensor(const std::filesystem::path& path, const TensorToWrite& tensor) {
  if (tensor.name.empty() || tensor.name == "__metadata__")
    refuse(path, "expected a tensor name, got \"" + tensor.name + "\"");
  const auto bytes = tensor_bytes(tensor.dtype, tensor.shape);
  const std::string kind =
      std::string(dtype_name(tensor.dtype)) + " " + stored_shape_text(tensor.shape);
  if (!bytes)
    refuse(path, "tensor \"" + tensor.name +
                     "\": expected a size that fits in 64 bits and fills whole bytes, got " + kind);
  if (*bytes != tensor.nbytes) {
    refuse(path, "tensor \"" + tensor.name + "\": expected " + std::to_string(*bytes) +
                     " bytes for " + kind + ", got " + std::to_string(tensor.nbytes));
  }
  if (tensor.data == nullptr && tensor.nbytes > 0)
    refuse(path, "tensor \"" + tensor.name + "\": expected data, got a null pointer");
}

}  // namespace

void write_safetensors_parts(const std::filesystem::path& path,
                             std::span<const TensorToWrite> tensors,
                             const std::map<std::string, std::string>& metadata,
                             const std::function<void(const void*, std::size_t)>& take) {
  std::vector<const TensorToWrite*> order;
  for (const TensorToWrite& tensor : tensors) {
    check_tensor(path, tensor);
    order.push_back(&tensor);
  }
  // Wider types first keeps every tensor aligned to its element; the enum is in upstream's order.
  std::sort(order.begin(), order.end(), [](const TensorToWrite* a, const TensorToWrite* b) {
    return a->dtype != b->dtype ? a->dtype > b->dtype : a->name < b->name;
  });

  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    bool first = true;
    for (const auto& [key, value] : metadata) {
      header += (first ? "" : ",") + quoted(path, key) + ":" + quoted(path, value);
      first = false;
    }
    header += "}";
  }
  std::uint64_t offset = 0;
  for (const TensorToWrite* tensor : order) {
    if (header.size() > 1) header += ",";
    header += quoted(path, tensor->name) + ":{\"dtype\":\"" +
              std::string(dtype_name(tensor->dtype)) + "\",\"shape\":[";
    for (std::size_t i = 0; i < tensor->shape.size(); ++i)
      header += (i == 0 ? "" : ",") + std::to_string(tensor->shape[i]);
    header += "],\"data_offsets\":[" + std::to_string(offset) + "," +
              std::to_string(offset + tensor->nbytes) + "]}";
    offset += tensor->nbytes;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');

  std::vector<std::string_view> names;
  names.reserve(order.size());
  for (const TensorToWrite* tensor : order) names.push_back(tensor->name);
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
    refuse(path, "expected every name once, got \"" + std::string(*twice) + "\" twice");
  }

  std::array<char, 8> length{};
  const std::uint64_t header_size = header.size();
  std::memcpy(length.data(), &header_size, sizeof header_size);
  take(length.data(), length.size());
  take(header.data(), header.size());
  for (const TensorToWrite* tensor : order) take(tensor->data, tensor->nbytes);
}

void write_safetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::optional<AtomicFile> file;
  write_safetensors_parts(path, tensors, metadata, [&](const void* data, std::size_t size) {
    if (!file) file.emplace(path);
    file->write(data, size);
  });
  file->commit();
}

}  // namespace hn
