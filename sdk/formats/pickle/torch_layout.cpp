#include "formats/pickle/torch_layout.hpp"

#include <cstring>
#include <hn/cpp/error.hpp>
#include <hn/formats/dtype.hpp>

#include "formats/pickle/unpickler.hpp"
#include "formats/pickle/zip_archive.hpp"

namespace hn::pickle {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint64_t kMaxPickleBytes = std::uint64_t{256} << 20;

std::uint64_t storage_bytes(const Storage& storage) {
  return storage.elements * (dtype_bits(storage.dtype) / 8);
}

std::string_view text_of(const ZipMember& member) {
  return {reinterpret_cast<const char*>(member.data.data()), member.data.size()};
}

// LibTorch's 10-byte magic number 0x1950a86a20f9469cfc6c, little-endian.
constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr std::int64_t kLegacyProtocol = 1001;

Document next_pickle(Bytes bytes, std::size_t& at, const std::string& where) {
  Document document = unpickle(bytes.subspan(at), where);
  at += document.bytes_read;
  return document;
}

// sys_info = {"protocol_version": 1001, "little_endian": True, "type_sizes": {...}}
void check_little_endian(const Document& document, const std::string& where) {
  const Value& dict = document.at(document.root);
  for (std::size_t i = 0; dict.kind == Kind::kDict && i + 1 < dict.items.size(); i += 2) {
    const Value& value = document.at(dict.items[i + 1]);
    if (document.at(dict.items[i]).text == "little_endian" && value.kind == Kind::kBool &&
        value.integer == 0)
      throw Error(HN_UNSUPPORTED, where + ": expected little-endian data, got big-endian");
  }
}

}  // namespace

Layout read_zip_layout(Bytes bytes, bool check_storages, const std::string& where) {
  const auto members = read_zip(bytes, where);
  constexpr std::string_view kPickle = "/data.pkl";
  std::string root;
  for (const auto& [name, member] : members) {
    if (!name.ends_with(kPickle) || name.find('/') != name.size() - kPickle.size()) continue;
    if (!root.empty())
      throw Error(HN_DATA_LOSS, where + ": expected one FOLDER/data.pkl, got several");
    root = name.substr(0, name.size() - kPickle.size() + 1);
  }
  if (root.empty())
    throw Error(HN_DATA_LOSS,
                where + ": expected a torch archive with FOLDER/data.pkl, got a zip archive of " +
                    std::to_string(members.size()) + " members without it");
  if (members.contains(root + "constants.pkl"))
    throw Error(HN_UNSUPPORTED, where +
                                    ": expected a checkpoint of tensors, got a TorchScript program "
                                    "(save its state_dict() instead)");
  if (const auto order = members.find(root + "byteorder"); order != members.end()) {
    check_crc(order->first, order->second, where);
    if (text_of(order->second) != "little")
      throw Error(HN_UNSUPPORTED, where + ": expected little-endian data, got byteorder " +
                                      std::string(text_of(order->second).substr(0, 16)));
  }
  const ZipMember& pickle = members.find(root + std::string(kPickle.substr(1)))->second;
  if (pickle.data.size() > kMaxPickleBytes)
    throw Error(HN_DATA_LOSS, where + ": expected a data.pkl of at most " +
                                  std::to_string(kMaxPickleBytes) + " bytes, got " +
                                  std::to_string(pickle.data.size()));
  check_crc("data.pkl", pickle, where);
  Layout layout;
  layout.document = unpickle(pickle.data, where);
  for (const Storage& storage : layout.document.storages) {
    const auto member = members.find(root + "data/" + storage.key);
    if (member == members.end())
      throw Error(HN_DATA_LOSS, where + ": expected the storage data/" + storage.key +
                                    " that a tensor names, got no such member");
    if (member->second.data.size() != storage_bytes(storage))
      throw Error(HN_DATA_LOSS, where + ": data/" + storage.key + ": expected " +
                                    std::to_string(storage_bytes(storage)) + " bytes for " +
                                    std::to_string(storage.elements) + " elements of " +
                                    std::string(dtype_name(storage.dtype)) + ", got " +
                                    std::to_string(member->second.data.size()));
    if (check_storages) check_crc(member->first, member->second, where);
    layout.storages.push_back(member->second.data);
  }
  return layout;
}

Layout read_legacy_layout(Bytes bytes, const std::string& where) {
  std::size_t at = 0;
  const Document magic = next_pickle(bytes, at, where);
  if (magic.at(magic.root).kind != Kind::kBigInt || magic.at(magic.root).text != kMagic)
    throw Error(HN_DATA_LOSS, where + ": expected torch's magic number first, got a pickle of " +
                                  std::string(kind_name(magic.at(magic.root).kind)) +
                                  " (not written by torch.save?)");
  const Document protocol = next_pickle(bytes, at, where);
  if (protocol.at(protocol.root).kind != Kind::kInt ||
      protocol.at(protocol.root).integer != kLegacyProtocol)
    throw Error(HN_UNSUPPORTED, where + ": expected the file protocol 1001, got another");
  check_little_endian(next_pickle(bytes, at, where), where);
  Layout layout;
  layout.document = next_pickle(bytes, at, where);
  const Document keys = next_pickle(bytes, at, where);
  const Value& list = keys.at(keys.root);
  if (list.kind != Kind::kList)
    throw Error(HN_DATA_LOSS, where + ": expected a list of storage keys, got " +
                                  std::string(kind_name(list.kind)));
  layout.storages.resize(layout.document.storages.size());
  std::vector<bool> found(layout.storages.size(), false);
  // Each: the number of elements again (int64), then the bytes.
  for (const Ref ref : list.items) {
    const Value& key = keys.at(ref);
    const auto index = layout.document.storage_of_key.find(key.text);
    if (key.kind != Kind::kText || index == layout.document.storage_of_key.end())
      throw Error(HN_DATA_LOSS, where + ": expected the keys of storages that tensors use, got \"" +
                                    std::string(key.text.substr(0, 40)) + "\"");
    const Storage& storage = layout.document.storages[index->second];
    const std::uint64_t size = storage_bytes(storage);
    std::int64_t elements = 0;
    if (bytes.size() - at < sizeof elements || bytes.size() - at - sizeof elements < size)
      throw Error(HN_DATA_LOSS, where + ": storage \"" + storage.key + "\": expected " +
                                    std::to_string(size) + " bytes, got a file that ends " +
                                    std::to_string(bytes.size() - at) +
                                    " bytes further (truncated?)");
    std::memcpy(&elements, bytes.data() + at, sizeof elements);
    if (found[index->second] || elements < 0 ||
        static_cast<std::uint64_t>(elements) != storage.elements)
      throw Error(HN_DATA_LOSS, where + ": storage \"" + storage.key + "\": expected " +
                                    std::to_string(storage.elements) +
                                    " elements, once, got a block of " + std::to_string(elements));
    layout.storages[index->second] = bytes.subspan(at + sizeof elements, size);
    found[index->second] = true;
    at += sizeof elements + size;
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!found[i])
      throw Error(HN_DATA_LOSS, where + ": expected the bytes of storage \"" +
                                    layout.document.storages[i].key + "\", got none");
  }
  return layout;
}

}  // namespace hn::pickle
