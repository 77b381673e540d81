// The weights of one model on their way from a safetensors folder into modules, with every problem
// told at once.
#pragma once

#include <ATen/core/Tensor.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "safetensors/safetensors.hpp"

namespace hn {

// The LibTorch element type of a stored tensor. Errors: HN_UNSUPPORTED for a type that LibTorch
// lacks (F4, F6, ...).
at::ScalarType to_scalar_type(TensorDtype dtype);

// Hands out tensors by their upstream name, converted to one dtype on one device. A name that is
// missing or has another shape is noted, not thrown: a module's constructor just goes on with an
// undefined tensor, and finish() reports all of them together. So constructors must not compute
// with what take() gave them before finish() has passed.
class WeightMap {
 public:
  // `where` is the model's name for messages. A common `prefix` of the stored names ("model.") is
  // left out of the names asked for, where the folder has it.
  WeightMap(SafetensorsFolder folder, at::ScalarType dtype, at::Device device, std::string where,
            std::string_view prefix = "");

  at::ScalarType dtype() const { return dtype_; }
  at::Device device() const { return device_; }

  // A fresh contiguous copy, or an undefined tensor after noting the problem.
  at::Tensor take(const std::string& name, at::IntArrayRef shape);
  bool contains(std::string_view name) const;
  // Marks `name` as known without loading it (a counter that inference does not need).
  void skip(const std::string& name) { taken_.insert(name); }

  // Bytes of everything handed out so far.
  std::uint64_t bytes() const { return bytes_; }

  // HN_DATA_LOSS with every missing, wrong-shape and unexpected tensor. Names that begin with one
  // of `ignored` are not unexpected.
  void finish(const std::vector<std::string>& ignored = {}) const;

 private:
  SafetensorsFolder folder_;
  at::ScalarType dtype_;
  at::Device device_;
  std::string where_;
  std::string prefix_;
  std::uint64_t bytes_ = 0;
  std::set<std::string> taken_;
  std::vector<std::string> missing_;
  std::vector<std::string> mismatched_;
};

}  // namespace hn
