// The keys of a LoRA configuration that are refused, and those that leave the result alone.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace hn::core {

// HN_UNSUPPORTED with everything in `config`, peft's LoraConfig as an object, that would change the
// result and is not done here: other methods, starts that change the base weights, keys that are
// not known. `where` begins the message.
void check_lora_keys(const nlohmann::ordered_json& config, const std::string& where);

// The value on one line, of at most 60 characters, for messages.
std::string short_text(const nlohmann::ordered_json& value);

}  // namespace hn::core
