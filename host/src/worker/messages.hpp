// The messages between a host and the worker process of one plugin, protocol version 1.
//
// Requests go to the worker, one at a time, each with a number that its Reply carries back. While
// one runs the worker may send Log, Progress, Ask (of an option; the host answers with Answer at
// once) and Component. Tensors lie in shared blocks (blocks.hpp); messages only say where.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "worker/bytes.hpp"

namespace hn::worker {

inline constexpr std::uint32_t kProtocol = 1;
// More is refused before memory is taken for it.
inline constexpr std::uint32_t kMostBytes = 64u << 20;

// A tensor in the block of its call; strides in elements.
struct TensorRef {
  std::uint64_t offset = 0;
  std::uint8_t code = 0, bits = 0;
  std::uint16_t lanes = 1;
  std::vector<std::int64_t> shape, strides;
  template <class V>
  void fields(V& v) {
    v(offset, code, bits, lanes, shape, strides);
  }
};
using TensorRefs = std::vector<std::optional<TensorRef>>;  // nothing: a NULL entry

// ---- host to worker

struct Start {  // -> Started; opens the bundle, before which the limits are in force
  std::uint32_t protocol = kProtocol;
  std::string bundle, library_sha256;
  bool sandbox = false;
  std::vector<std::string> readable;  // of a sandbox: folders and files beside the system's
  std::uint64_t memory_bytes = 0, cpu_seconds = 0;  // 0: no limit
  template <class V>
  void fields(V& v) {
    v(protocol, bundle, library_sha256, sandbox, readable, memory_bytes, cpu_seconds);
  }
};
struct Create {  // -> Created
  template <class V>
  void fields(V&) {}
};
struct Destroy {
  template <class V>
  void fields(V&) {}
};
struct Open {  // -> Opened; handles are numbers of the host's choice
  std::uint64_t fn = 0;
  std::string name;
  template <class V>
  void fields(V& v) {
    v(fn, name);
  }
};
struct Close {
  std::uint64_t fn = 0;
  template <class V>
  void fields(V& v) {
    v(fn);
  }
};
struct CallArgs {
  std::uint64_t fn = 0;
  std::uint32_t flags = 0, block = 0;
  std::vector<std::uint64_t> cond;
  TensorRefs in, out;
  std::vector<std::uint8_t> need_grad;  // empty: none
  std::uint64_t rng_seed = 0, rng_offset = 0, saved_budget = 0;
  template <class V>
  void fields(V& v) {
    v(fn, flags, block, cond, in, out, need_grad, rng_seed, rng_offset, saved_budget);
  }
};
struct Plan {  // -> Planned
  CallArgs call;
  template <class V>
  void fields(V& v) {
    v(call);
  }
};
struct Shapes {  // -> Shaped
  CallArgs call;
  template <class V>
  void fields(V& v) {
    v(call);
  }
};
struct Forward {  // -> ForwardDone
  std::uint64_t saved = 0;
  CallArgs call;
  template <class V>
  void fields(V& v) {
    v(saved, call);
  }
};
struct Backward {
  std::uint64_t saved = 0;
  std::uint32_t block = 0;
  TensorRefs cotangent, grad;
  std::vector<std::uint8_t> accumulate;  // empty: overwrite all
  template <class V>
  void fields(V& v) {
    v(saved, block, cotangent, grad, accumulate);
  }
};
struct SavedRelease {
  std::uint64_t saved = 0;
  template <class V>
  void fields(V& v) {
    v(saved);
  }
};
struct NamedTensor {
  std::string name;
  TensorRef tensor;
  template <class V>
  void fields(V& v) {
    v(name, tensor);
  }
};
struct PromptArgs {
  std::uint64_t cond = 0;
  std::string text, negative, json;
  std::vector<NamedTensor> tensors;
  template <class V>
  void fields(V& v) {
    v(cond, text, negative, json, tensors);
  }
};
struct Encode {  // -> Encoded
  std::uint32_t block = 0;
  std::vector<PromptArgs> prompts;
  template <class V>
  void fields(V& v) {
    v(block, prompts);
  }
};
struct CondRelease {
  std::uint64_t cond = 0;
  template <class V>
  void fields(V& v) {
    v(cond);
  }
};
struct Embedding {
  std::uint64_t cond = 0;
  std::uint32_t block = 0;
  TensorRef out;
  template <class V>
  void fields(V& v) {
    v(cond, block, out);
  }
};
struct Layers {  // -> LayerList
  std::string fn;
  template <class V>
  void fields(V& v) {
    v(fn);
  }
};
struct AskMemory {  // -> MemoryUses
  template <class V>
  void fields(V&) {}
};
struct Trim {
  template <class V>
  void fields(V&) {}
};
struct Audit {  // Components, then a Reply
  template <class V>
  void fields(V&) {}
};
struct NewBlock {  // comes with the block's file; no reply
  std::uint32_t block = 0;
  std::uint64_t bytes = 0;
  template <class V>
  void fields(V& v) {
    v(block, bytes);
  }
};
struct DropBlock {  // no reply
  std::uint32_t block = 0;
  template <class V>
  void fields(V& v) {
    v(block);
  }
};
enum class OptionType : std::uint8_t { kStr, kI64, kF64, kBool, kList };
struct Answer {
  std::int32_t status = 0;
  std::string text;
  std::int64_t integer = 0;  // also of a truth value
  double number = 0;
  std::vector<std::string> list;
  template <class V>
  void fields(V& v) {
    v(status, text, integer, number, list);
  }
};

// ---- worker to host

struct Reply {
  std::int32_t status = 0;
  std::string error;
  std::string body;  // of one of the structs below, where status is HN_OK
  template <class V>
  void fields(V& v) {
    v(status, error, body);
  }
};
struct Log {
  std::int32_t level = 0;
  std::string text;
  template <class V>
  void fields(V& v) {
    v(level, text);
  }
};
struct Progress {
  std::string what;
  std::uint64_t done = 0, total = 0;
  template <class V>
  void fields(V& v) {
    v(what, done, total);
  }
};
struct Ask {
  std::uint8_t type = 0;  // an OptionType
  std::string key;
  template <class V>
  void fields(V& v) {
    v(type, key);
  }
};
struct Component {
  std::string json;
  template <class V>
  void fields(V& v) {
    v(json);
  }
};

// ---- bodies of replies

struct Started {
  std::vector<std::string> in_force, missing;  // what a sandbox keeps out, and what it cannot
  template <class V>
  void fields(V& v) {
    v(in_force, missing);
  }
};
struct Created {
  bool cond = false, adapter = false, memory = false;
  std::uint32_t prompt_fields = 0;
  std::uint64_t embedding_size = 0;
  template <class V>
  void fields(V& v) {
    v(cond, adapter, memory, prompt_fields, embedding_size);
  }
};
struct SlotInfo {
  std::string name, semantic;
  std::uint32_t flags = 0;
  std::uint8_t code = 0, bits = 0, grad_code = 0, grad_bits = 0;
  std::uint16_t lanes = 1, grad_lanes = 1;
  std::vector<std::int64_t> shape;
  template <class V>
  void fields(V& v) {
    v(name, semantic, flags, code, bits, lanes, grad_code, grad_bits, grad_lanes, shape);
  }
  bool operator==(const SlotInfo&) const = default;
};
struct Opened {
  std::uint32_t flags = 0;
  bool shapes = false;
  std::vector<SlotInfo> in, out;
  template <class V>
  void fields(V& v) {
    v(flags, shapes, in, out);
  }
  bool operator==(const Opened&) const = default;
};
struct Planned {
  std::uint64_t saved_bytes = 0, peak_bytes = 0;
  template <class V>
  void fields(V& v) {
    v(saved_bytes, peak_bytes);
  }
};
struct Shaped {
  std::vector<std::vector<std::int64_t>> shapes;
  template <class V>
  void fields(V& v) {
    v(shapes);
  }
};
struct ForwardDone {
  bool saved = false;
  template <class V>
  void fields(V& v) {
    v(saved);
  }
};
struct Encoded {
  std::vector<std::uint64_t> bytes;  // of each handle
  template <class V>
  void fields(V& v) {
    v(bytes);
  }
};
struct LayerInfo {
  std::string name;
  std::int32_t kind = 0, kernel_h = 0, kernel_w = 0, groups = 0;
  std::int64_t in_features = 0, out_features = 0;
  template <class V>
  void fields(V& v) {
    v(name, kind, kernel_h, kernel_w, groups, in_features, out_features);
  }
};
struct LayerList {
  std::vector<LayerInfo> layers;
  template <class V>
  void fields(V& v) {
    v(layers);
  }
};
struct DeviceUse {
  std::int32_t device_type = 0, device_id = 0;
  std::uint64_t bytes = 0;
  template <class V>
  void fields(V& v) {
    v(device_type, device_id, bytes);
  }
};
struct MemoryUses {
  std::vector<DeviceUse> uses;
  template <class V>
  void fields(V& v) {
    v(uses);
  }
};

// Their order is the protocol: a kind on the wire is an index of this list.
using Message =
    std::variant<Start, Create, Destroy, Open, Close, Plan, Shapes, Forward, Backward, SavedRelease,
                 Encode, CondRelease, Embedding, Layers, AskMemory, Trim, Audit, NewBlock,
                 DropBlock, Answer, Reply, Log, Progress, Ask, Component>;

struct Frame {
  std::uint64_t number = 0;  // a Reply's is its request's; 0 where none is awaited
  Message message;
};

std::string encode(const Frame& frame);
// HN_DATA_LOSS for whatever encode does not make.
Frame decode(std::string_view bytes);

template <class Body>
std::string encode_body(const Body& body) {
  ByteWriter writer;
  writer(body);
  return writer.take();
}
template <class Body>
Body decode_body(std::string_view bytes) {
  ByteReader reader(bytes);
  Body body;
  reader(body);
  reader.finish();
  return body;
}

}  // namespace hn::worker
