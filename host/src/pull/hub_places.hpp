// Where Hugging Face's files live on this machine and on the network, as its Python library decides
// it (huggingface_hub 2.4, constants.py): what Python downloaded is found here, and the other way
// round.
#pragma once

#include <filesystem>
#include <string>

namespace hn::pull {

struct HubPlaces {
  // HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, else hub/ in HF_HOME, else in
  // $XDG_CACHE_HOME/huggingface, else in ~/.cache/huggingface. Empty without a home.
  std::filesystem::path cache;
  std::string endpoint;  // HF_ENDPOINT without its last slash, else the public one
  // HF_TOKEN, else HUGGING_FACE_HUB_TOKEN, else the file HF_TOKEN_PATH, else token in HF_HOME.
  // Empty when there is none, or with HF_HUB_DISABLE_IMPLICIT_TOKEN.
  std::string token;
  bool offline = false;  // HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE
};

// Throws nothing: an unreadable token file is no token, as in Python.
HubPlaces hub_places();

}  // namespace hn::pull
