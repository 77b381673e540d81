// The parts of hnhost.h that need no host: version and texts.
#include <hn/cpp/error.hpp>

#include "capi/text.hpp"

extern "C" {

uint32_t hnhost_api_version(void) { return HNHOST_API_VERSION; }

const char* hnhost_version(void) { return HN_VERSION; }

hn_str hnhost_text_view(const hnhost_text* text) {
  return text == nullptr ? hn_str{"", 0} : hn_str{text->text.c_str(), text->text.size()};
}

void hnhost_text_free(hnhost_text* text) { delete text; }

}  // extern "C"
