// How a pipeline's folder is loaded: the options that every such generator has.
#pragma once

#include <ATen/core/Tensor.h>

#include <hn/cpp/config.hpp>
#include <hn/generator/text_encoder_mode.hpp>
#include <hn/nn/quantise.hpp>
#include <hn/nn/tiles.hpp>
#include <string>

namespace hn {

struct PipelineOptions {
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;         // at::kMeta: a dry run of the loading, see weight_audit.hpp
  std::string variant;                  // "", "bf16", "fp16": which files of a part
  Quantise quantise = Quantise::kNone;  // of the denoiser, and of a text encoder that says so
  TextEncoderMode text_encoder = TextEncoderMode::kKeep;
  TileOption vae_tile = {};
};

// Options dtype, device, variant, quantise, text_encoder, vae_tile and vae_tile_overlap. Errors:
// those of the functions of model_options.hpp, quantise.hpp, text_encoder_mode.hpp.
PipelineOptions pipeline_options(const Config& config);

}  // namespace hn
