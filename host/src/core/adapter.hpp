// The trainable numbers of a network, in one flat buffer: what the optimiser, checkpoints and files
// see of it, whatever it computes.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "core/function_client.hpp"

namespace hn::core {

// One trainable tensor before there is memory for it.
struct Parameter {
  std::string name;
  std::vector<std::int64_t> shape;
  float bound = 0;        // it begins uniform in +-bound; 0: as zeros
  std::size_t input = 0;  // of a LoRA's matrix: its index among the function's inputs
};

// The PARAM slots of the function, by name. A begins as PEFT draws it (kaiming_uniform_, a =
// sqrt(5): uniform in +-1/sqrt(fan_in)), B as 0, so that it is no change at all. HN_UNSUPPORTED
// where the function has no PARAM slots.
std::vector<Parameter> lora_parameters(const FunctionClient& fn);

class Adapter {
 public:
  // Drawn in the order of the list, one stream of numbers a parameter.
  Adapter(const std::vector<Parameter>& parameters, const NetSpec& net, std::uint64_t seed,
          at::Device device, std::string base_model);
  // Those of lora_parameters.
  Adapter(const FunctionClient& fn, const NetSpec& net, std::uint64_t seed, at::Device device,
          std::string base_model)
      : Adapter(lora_parameters(fn), net, seed, device, std::move(base_model)) {}

  struct Matrix {
    std::string name;     // a LoRA's: "<path>.lora_A.weight"
    std::size_t input;    // Parameter::input
    at::Tensor value;     // a view of values()
    at::Tensor gradient;  // a view of gradients()
  };
  const std::vector<Matrix>& matrices() const { return matrices_; }
  // Float32 [N], matrices side by side, each on 64 bytes; the gaps between them are 0 and stay 0.
  const at::Tensor& values() const { return values_; }
  const at::Tensor& gradients() const { return gradients_; }
  // A flat buffer's part that belongs to a matrix, as the matrix's shape.
  at::Tensor part(const at::Tensor& flat, const Matrix& matrix) const;
  // Numbers without the gaps.
  std::uint64_t count() const { return count_; }
  const NetSpec& net() const { return net_; }
  const std::string& base_model() const { return base_model_; }

  // Of a LoRA: layer paths, "transformer_blocks.0.attn1.to_q", ascending.
  std::vector<std::string> paths() const;

 private:
  NetSpec net_;
  std::string base_model_;
  std::uint64_t count_ = 0;
  at::Tensor values_, gradients_;
  std::vector<Matrix> matrices_;
};

// HN_DATA_LOSS "[adapter] NAME is not finite: nan (3 of 64 numbers are not finite); CONSEQUENCE".
void require_finite(const Adapter& adapter, const std::string& consequence);

// A folder as Python's peft reads and writes it: adapter_model.safetensors with the keys
// "base_model.model.<path>.lora_A.weight" and adapter_config.json. Source: peft 0.21,
// utils/save_and_load.py, tuners/lora/config.py.
//
// all_layers: the paths of every layer that could carry an adapter. peft's target_modules also
// match the ends of paths; where a listed path would so catch another layer, a regular expression
// that matches exactly the listed ones is written instead.
void save_peft(const Adapter& adapter, const std::vector<std::string>& all_layers,
               const std::filesystem::path& folder);

// True for a folder that load_peft is to read, strictly; files and diffusers' folders are
// read_lora's.
bool is_peft_folder(const std::filesystem::path& folder);

// float32, float16 and bfloat16 are read. HN_INVALID_ARGUMENT lists everything that does not fit at
// once: missing and unexpected tensors, shapes, rank, alpha; then the adapter is unchanged.
void load_peft(Adapter& adapter, const std::filesystem::path& folder);

}  // namespace hn::core
