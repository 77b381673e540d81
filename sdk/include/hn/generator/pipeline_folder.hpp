// A whole pipeline's folder in diffusers layout.
#pragma once

#include <filesystem>
#include <hn/formats/weight_files.hpp>
#include <hn/generator/pipeline_problems.hpp>
#include <string>
#include <vector>

namespace hn {

// A part of a pipeline ("tokenizer") and the classes that a model_index.json may name for it.
struct PipelinePart {
  const char* name;
  std::vector<std::string> classes;
};

// HN_NOT_FOUND unless `folder` is one. Where its model_index.json is there and names another
// _class_name than `class_name`, or another class for a part, that is a problem (HN_UNSUPPORTED):
// upstream opens a part by the class that stands there, whatever the part's own file says. The
// index may be left out, as the parts' files name their classes too. `model` begins the messages.
void check_pipeline_folder(const std::filesystem::path& folder, const std::string& model,
                           const std::string& class_name, const std::vector<PipelinePart>& parts,
                           PipelineProblems& problems);

// The weights of one part of it ("unet"), in whatever format is there; `variant` ("fp16", "bf16",
// or empty for the plain files first) as SafetensorsFolder::open has it, and as the name of a .bin
// file (diffusion_pytorch_model.fp16.bin). Errors: those of WeightFiles::open and
// SafetensorsFolder::open.
WeightFiles open_part(const std::filesystem::path& part, const std::string& variant);

}  // namespace hn
