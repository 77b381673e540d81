// The weights of one model on their way from files into modules, with every problem told at once.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <hn/formats/weight_files.hpp>
#include <hn/nn/quantise.hpp>
#include <hn/nn/stream_order.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hn {

// The LibTorch element type of a stored tensor. Errors: HN_UNSUPPORTED for a type that LibTorch
// lacks (F4, F6, ...).
at::ScalarType to_scalar_type(TensorDtype dtype);

// A weight that never changes: plain, or quantised. One of the two is defined, neither where the
// folder does not have it.
struct FrozenWeight {
  at::Tensor plain;
  QuantisedWeight quantised;
};

// Hands out tensors by their upstream name, converted to one dtype on one device. A name that is
// missing, has another shape or a type that is no weight's (F8, integers) is noted, not thrown: a
// module's constructor just goes on with an undefined tensor, and finish() reports all of them
// together. So constructors must not compute with what take() gave them before finish() has passed.
//
// Dry: on the device at::kMeta, or made by dry(), nothing is read and tensors have a shape alone.
// So a model's constructor tells which tensors it wants, and finish() whether a folder or a list
// has them.
//
// On a device with streams it goes last, after whatever is computed with its tensors (joined
// matrices, other layouts): its end waits for that, since the first call may come on any stream.
class WeightMap {
 public:
  // `where` is the model's name for messages. A common `prefix` of the stored names ("model.") is
  // left out of the names asked for, where the files have it. Messages say the names as the files
  // spell them.
  WeightMap(WeightFiles files, at::ScalarType dtype, at::Device device, std::string where,
            std::string_view prefix = "");
  // A list of names and shapes in a folder's place; tensors are on at::kMeta.
  static WeightMap dry(std::vector<ExpectedTensor> list, at::ScalarType dtype, std::string where,
                       std::string_view prefix = "");

  at::ScalarType dtype() const { return dtype_; }
  at::Device device() const { return device_; }

  // A contiguous tensor, or an undefined one after noting the problem. Where the stored type is the
  // wanted one and the device is the CPU, this is the file's read-only mapping itself: writing to
  // it ends the process, so clone it first. Otherwise it is converted straight from the mapping,
  // whose pages are given back.
  at::Tensor take(const std::string& name, at::IntArrayRef shape);
  // A weight of at least two dimensions that only Linear and Conv2d use, quantised where
  // set_quantise() says so. Problems: as take().
  FrozenWeight take_frozen(const std::string& name, at::IntArrayRef shape);
  void set_quantise(Quantise kind) { quantise_ = kind; }
  Quantise quantise() const { return quantise_; }
  // Of everything quantised so far.
  const QuantiseReport& report() const { return report_; }

  bool contains(std::string_view name) const;
  // Marks `name` as known without loading it (a counter that inference does not need).
  void skip(const std::string& name) { taken_.insert(name); }
  // Everything that take() was asked for, without the prefix, in that order.
  const std::vector<ExpectedTensor>& requested() const { return requested_; }

  // Bytes of everything handed out so far.
  std::uint64_t bytes() const { return bytes_; }

  // HN_DATA_LOSS with every missing, wrong-shape, wrong-type and unexpected tensor, and those with
  // numbers that are NaN or infinite. Names that begin with one of `ignored` are not unexpected.
  void finish(const std::vector<std::string>& ignored = {}) const;

 private:
  // Notes the request and its problems; false where there is nothing to hand out.
  bool check(const std::string& name, at::IntArrayRef shape);
  void check_finite(const std::string& name, const at::Tensor& tensor);
  // "NAME", or the file's spelling of it with NAME behind.
  std::string label(const std::string& name) const;
  // The stored tensor, contiguous: an alias of the mapping, or a copy where its address does not
  // suit the type or its strides are others.
  at::Tensor stored(const std::string& name) const;

  WeightFiles files_;
  at::ScalarType dtype_;
  at::Device device_;
  std::string where_;
  std::string prefix_;
  Quantise quantise_ = Quantise::kNone;
  QuantiseReport report_;
  std::uint64_t bytes_ = 0;
  std::set<std::string> taken_;
  std::vector<ExpectedTensor> requested_;
  std::vector<std::string> missing_;
  std::vector<std::string> mismatched_, not_finite_;
  std::vector<std::string> unread_;  // of a type that is no float of 16 bits or more
  SettledAtEnd settled_;
};

}  // namespace hn
