// What a saved adapter says about the session that can carry it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "config/run_config.hpp"
#include "core/session.hpp"

namespace hn::host {

// The file or folder that `path` means: itself where it is a LoRA file, or a folder with one
// (adapter_model, as peft has it, or pytorch_lora_weights, as diffusers) or with another noise
// network (noise_net.json), or adapter/ in a run directory; for one of a noise network's two files
// its folder. Errors: HN_NOT_FOUND names the places.
std::filesystem::path adapter_path(const std::filesystem::path& path);

// Whether it moves the noise or changes the generator: the metadata "hn.net" of files made here.
// Others have none: peft's are taken for noise hypernetworks, as the published ones are, and
// diffusers' and kohya's for fine-tunes of the generator. `asked`: "hypernet", "finetune", or ""
// for this rule. A noise network that is no LoRA says itself what it is, and `asked` may only say
// the same. Errors: HN_INVALID_ARGUMENT, HN_DATA_LOSS.
core::NetKind adapter_kind(const std::filesystem::path& adapter, const std::string& asked);

// config.toml of the run directory that trained it; nothing for an adapter of elsewhere, or none.
// `adapter` as adapter_path gives it.
std::optional<std::filesystem::path> run_config_of(const std::filesystem::path& adapter);

// Fills in the generator that this run trained: its name, and with the same name its weights, dtype
// and options. What `config` has of its own stays; where it names another generator, everything
// does, and the answer is false. Errors: HN_INVALID_ARGUMENT for a file that is no configuration.
bool take_generator(const std::filesystem::path& run_config, host::RunConfig& config);

}  // namespace hn::host
