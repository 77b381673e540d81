// The shape that normalizers, pre-tokenizers and post-processors share in tokenizer.json: one part,
// or a Sequence of parts, which may be sequences again.
#pragma once

#include <cstddef>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/text/tokenizer_parts.hpp>
#include <string>

namespace hn::text {

// list: the key of a Sequence's parts. parts: what they are called in a message. add(type, object,
// where) for each part in order, `done` counted. HN_UNSUPPORTED beyond kMostParts; what `add`
// throws.
template <class Add>
void each_part(const nlohmann::json& json, const std::string& where, const char* list,
               const char* parts, std::size_t& done, const Add& add) {
  JsonObject object(json, where);
  const auto type = object.get<std::string>("type");
  if (type == "Sequence") {
    const nlohmann::json& all = object.member(list);
    if (!all.is_array()) object.fail(list, "an array");
    for (std::size_t i = 0; i < all.size(); ++i)
      each_part(all[i], where + ": " + list + " " + std::to_string(i), list, parts, done, add);
  } else {
    if (done++ == kMostParts)
      throw Error(HN_UNSUPPORTED, where + ": expected at most " + std::to_string(kMostParts) + " " +
                                      parts + ", got more");
    add(type, object, where);
  }
  object.finish();
}

}  // namespace hn::text
