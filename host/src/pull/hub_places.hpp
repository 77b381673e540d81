// Where Hugging Face's files live on this machine and on the network, as its Python library decides
// it (huggingface_hub 2.4, constants.py): what Python downloaded is found here, and the other way
// round.
#pragma once

#include <filesystem>
#include <string>

namespace hn::pull {

// Differences, both on purpose: a variable that is set to nothing counts as not set, and tokens of
// notebooks and CI services (Colab, OIDC) are not asked for.
struct HubPlaces {
  // HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, else hub/ in HF_HOME, else in
  // $XDG_CACHE_HOME/huggingface, else in ~/.cache/huggingface; "~", "~NAME", "$NAME" and "${NAME}"
  // in any of them are expanded as Python does it. Empty without a home.
  std::filesystem::path cache;
  std::string endpoint;              // HF_ENDPOINT without slashes at its end, else the public one
  std::filesystem::path token_file;  // HF_TOKEN_PATH, else token in HF_HOME; expanded as cache
  // HF_TOKEN, else HUGGING_FACE_HUB_TOKEN, else what token_file holds. Empty when there is none, or
  // with HF_HUB_DISABLE_IMPLICIT_TOKEN.
  std::string token;
  bool offline = false;  // HF_HUB_OFFLINE; TRANSFORMERS_OFFLINE where that is not set
  bool symlinks = true;  // false: HF_HUB_DISABLE_SYMLINKS
};

// Throws nothing: an unreadable token file is no token, as in Python.
HubPlaces hub_places();

}  // namespace hn::pull
