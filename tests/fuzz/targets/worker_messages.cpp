// Messages between a host and a worker process: whatever comes is refused, or written as it came.
// Tensors are looked at as a worker does before it hands them to a plugin.
#include <memory>
#include <type_traits>

#include "fuzz/fuzz.hpp"
#include "worker/messages.hpp"
#include "worker/tensors.hpp"

namespace {

using namespace hn::worker;

constexpr std::uint64_t kBlock = 4096;

// Where the tensor lies in the block, the address sanitizer sees its first and last byte.
void look_at(const TensorRef& ref) {
  // Of the size that is said, so that one byte behind is found.
  const std::unique_ptr<std::byte[]> block(new std::byte[kBlock]());
  hn::fuzz::read([&] {
    const DLTensor view = view_of(ref, block.get(), kBlock);
    std::uint64_t last = 0;
    for (std::int32_t d = 0; d < view.ndim; ++d) {
      if (view.shape[d] == 0) return;
      last += static_cast<std::uint64_t>(view.shape[d] - 1) *
              static_cast<std::uint64_t>(view.strides[d]);
    }
    const std::uint64_t element = (std::uint64_t{view.dtype.bits} * view.dtype.lanes + 7) / 8;
    hn::fuzz::touch(view.data, element);
    hn::fuzz::touch(static_cast<const char*>(view.data) + last * element, element);
  });
  hn::fuzz::read([&] { view_of(ref, nullptr, 0); });
}

void look_at(const std::optional<TensorRef>& ref) {
  if (ref) look_at(*ref);
}

void look_at(const TensorRefs& refs) {
  for (std::size_t i = 0; i < refs.size() && i < 64; ++i) look_at(refs[i]);
}

// Every tensor of a message.
template <class T>
void tensors_of(const T& message) {
  if constexpr (requires { message.call; }) {
    look_at(message.call.in);
    look_at(message.call.out);
  } else if constexpr (std::is_same_v<T, Backward>) {
    look_at(message.cotangent);
    look_at(message.grad);
  } else if constexpr (std::is_same_v<T, Embedding>) {
    look_at(message.out);
  } else if constexpr (std::is_same_v<T, Encode>) {
    for (const PromptArgs& prompt : message.prompts)
      for (std::size_t i = 0; i < prompt.tensors.size() && i < 64; ++i)
        look_at(prompt.tensors[i].tensor);
  }
}

template <class Body>
void body(std::string_view bytes) {
  hn::fuzz::read([&] {
    hn::fuzz::require(encode_body(decode_body<Body>(bytes)) == bytes,
                      "a body is written otherwise than it was read");
  });
}

void bodies(std::string_view bytes) {
  body<Started>(bytes);
  body<Created>(bytes);
  body<Opened>(bytes);
  body<Planned>(bytes);
  body<Shaped>(bytes);
  body<ForwardDone>(bytes);
  body<Encoded>(bytes);
  body<LayerList>(bytes);
  body<MemoryUses>(bytes);
}

}  // namespace

HN_FUZZ_TARGET(worker_messages) {
  bodies(input);
  hn::fuzz::read([&] {
    const Frame frame = decode(input);
    hn::fuzz::require(encode(frame) == input, "a message is written otherwise than it was read");
    std::visit([](const auto& message) { tensors_of(message); }, frame.message);
    if (const auto* reply = std::get_if<Reply>(&frame.message)) bodies(reply->body);
  });
}
