#include "worker/messages.hpp"

#include <utility>

namespace hn::worker {
namespace {

template <std::size_t... I>
bool read_kind(std::size_t kind, ByteReader& reader, Message& message, std::index_sequence<I...>) {
  const auto one = [&]<std::size_t K>() {
    if (kind != K) return false;
    reader(message.emplace<K>());
    return true;
  };
  return (one.template operator()<I>() || ...);
}

}  // namespace

std::string encode(const Frame& frame) {
  ByteWriter writer;
  writer(static_cast<std::uint16_t>(frame.message.index()), frame.number);
  std::visit([&](const auto& message) { writer(message); }, frame.message);
  return writer.take();
}

Frame decode(std::string_view bytes) {
  ByteReader reader(bytes);
  std::uint16_t kind = 0;
  Frame frame;
  reader(kind, frame.number);
  if (!read_kind(kind, reader, frame.message,
                 std::make_index_sequence<std::variant_size_v<Message>>()))
    throw Error(HN_DATA_LOSS, "[worker protocol] there is no message of kind " +
                                  std::to_string(kind) + " in version " +
                                  std::to_string(kProtocol));
  reader.finish();
  return frame;
}

}  // namespace hn::worker
