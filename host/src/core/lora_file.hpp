// LoRA files of other tools as this core's adapters.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/adapter.hpp"
#include "core/lora_names.hpp"

namespace hn::core {

// A file's matrices by layer: float32 on the CPU, y += alpha / rank * B(A(x)).
struct LoraFile {
  struct Layer {
    std::string name;
    at::Tensor a, b;  // [rank, in(, k, k)], [out, rank] or [out, rank or rank / groups, 1, 1]
    double alpha = 0;
    bool dense =
        false;  // a B of [out, rank, 1, 1] on a grouped convolution, as peft wrote until 2025

    std::int64_t rank() const { return a.size(0); }
  };
  std::filesystem::path path;
  std::string format;                      // "peft", "diffusers", "kohya", "flux"
  std::vector<Layer> layers;               // by name
  std::vector<std::string> text_encoders;  // keys of text encoders: not used
  std::vector<std::string> unmatched;      // keys that fit nothing here, with the nearest layers
  std::string note;                        // of the configuration: what could not be compared
};

// `path`: a file (.safetensors, .bin, .pt) or a folder with adapter_model or pytorch_lora_weights.
// Alphas: those of the file (".alpha"), else of adapter_config.json or of diffusers'
// lora_adapter_metadata (patterns and rslora too), else the rank, which is a scale of 1.
// Errors: HN_NOT_FOUND, HN_DATA_LOSS (broken files), HN_UNSUPPORTED (what read_lora_config
// refuses), HN_INVALID_ARGUMENT with everything at once: tensors of other methods (DoRA, LoHa,
// ...), shapes that do not fit a layer, matrices without their other half, two keys for one layer,
// values that are not finite, ranks, alphas and layers of which file and configuration say
// different things.
LoraFile read_lora(const std::filesystem::path& path, std::span<const AdapterLayer> layers);

// The session that can carry the file: its layers, and rank and alpha as they are where all layers
// agree; else the largest rank with scale 1.
NetSpec lora_net(const LoraFile& file, NetSpec net);

// HN_INVALID_ARGUMENT for unmatched keys, every one listed, unless `partial`; tells `log` what was
// taken and what was not.
void report_lora(const LoraFile& file, bool partial, const HostServices& log);
// Tells `log` the layers of the session that the file says nothing of; none: nothing.
void report_lora_gaps(const LoraFile& file, const std::vector<std::string>& unfilled,
                      const HostServices& log);

// Puts the matrices in, lower ranks filled up with zeros and scales folded into B; layers that the
// file does not have become no change at all, and are given back. HN_INVALID_ARGUMENT names layers
// that the adapter does not have, and ranks above its own; then nothing is changed.
std::vector<std::string> put_lora(Adapter& adapter, const LoraFile& file);

}  // namespace hn::core
