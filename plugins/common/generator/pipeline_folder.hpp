// A whole pipeline's folder in diffusers layout.
#pragma once

#include <filesystem>
#include <string>

namespace hn {

// HN_NOT_FOUND unless `folder` is one; HN_UNSUPPORTED where its model_index.json is there and names
// another _class_name than `class_name`: only the parts are needed, the index may be left out.
// `model` begins the messages.
void check_pipeline_folder(const std::filesystem::path& folder, const std::string& model,
                           const std::string& class_name);

}  // namespace hn
