// LibTorch tensors to and from safetensors files, strictly.
#pragma once

#include <ATen/core/Tensor.h>

#include <hn/formats/safetensors.hpp>
#include <map>
#include <string>
#include <vector>

namespace hn::core {

// Collects what is wrong, so that one error tells all of it.
class TensorProblems {
 public:
  explicit TensorProblems(std::string where) : where_(std::move(where)) {}
  void add(std::string text) { problems_.push_back(std::move(text)); }
  bool empty() const { return problems_.empty(); }
  // HN_INVALID_ARGUMENT with every problem, or nothing.
  void finish() const;

 private:
  std::string where_;
  std::vector<std::string> problems_;
};

struct ExpectedTensorInto {
  std::string name;
  at::Tensor into;  // float32 or int64, contiguous, CPU
};

// Copies every wanted tensor out of the file, floating types converted. Missing, unexpected and
// mismatched ones, and values that are not finite, become problems; what fits is copied all the
// same. `others` are names that may be there beside.
void read_tensors(const SafetensorsFile& file, const std::vector<ExpectedTensorInto>& wanted,
                  TensorProblems& problems, const std::vector<std::string>& others = {});

// Float32 and int64 tensors on their way into one file.
class TensorFile {
 public:
  void add(std::string name, const at::Tensor& tensor);
  // Atomically; the tensors may not have been changed since add().
  void write(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata);
  const std::vector<TensorToWrite>& tensors() const { return tensors_; }

 private:
  std::vector<at::Tensor> kept_;
  std::vector<TensorToWrite> tensors_;
};

}  // namespace hn::core
