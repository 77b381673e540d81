#include "validate/helper_row.hpp"

#include <hn/cpp/error.hpp>
#include <nlohmann/json.hpp>

#include "support/cat.hpp"

namespace hn::validate {

HelperRow read_helper_row(std::string_view line, std::size_t jobs) {
  using Json = nlohmann::json;
  const Json said = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  const auto has = [&](const char* key, bool (Json::*is)() const noexcept) {
    return said.is_object() && said.contains(key) && (said[key].*is)();
  };
  if (!has("job", &Json::is_number_unsigned) || !has("status", &Json::is_string) ||
      !has("text", &Json::is_string) || !has("seconds", &Json::is_number) ||
      said["job"].get<std::size_t>() >= jobs)
    throw Error(HN_DATA_LOSS,
                host::cat("[validate] the helper process said what is no row of one of ", jobs,
                          " checks (does the plugin write to descriptors that are not its own?): ",
                          line.substr(0, 200)));
  return {said["job"].get<std::size_t>(), status_of(said["status"].get_ref<const std::string&>()),
          said["text"].get<std::string>(), said["seconds"].get<double>()};
}

}  // namespace hn::validate
