// Keys and notes of adapters that are not plain LoRA.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace hn::core {

// "dora_scale is not supported (DoRA)" for a tensor of another method, by its name; nothing for
// all others. Spellings: peft 0.21, kohya's sd-scripts, LyCORIS 3, ComfyUI (comfy/weight_adapter).
std::optional<std::string> other_method(std::string_view key);

// The same for what kohya's trainers write into the file's metadata: ss_network_module and the
// algorithm in ss_network_args.
std::optional<std::string> other_method(const std::map<std::string, std::string>& metadata);

}  // namespace hn::core
