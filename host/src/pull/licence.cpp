#include "pull/licence.hpp"

#include <array>
#include <ctime>
#include <hn/cpp/error.hpp>
#include <hn/formats/atomic_file.hpp>
#include <hn/formats/json_file.hpp>

#include "support/cat.hpp"

namespace hn::pull {
namespace {

constexpr const char* kFile = "hn-licences.json";

nlohmann::json read_records(const RepoCache& cache) {
  std::error_code ignored;
  const std::filesystem::path file = cache.folder() / kFile;
  if (!std::filesystem::exists(file, ignored)) return nlohmann::json::array();
  nlohmann::json records = read_json_file(file);
  if (!records.is_array())
    throw Error(HN_DATA_LOSS, host::cat(file.string(), ": expected a list of licences"));
  return records;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

}  // namespace

bool licence_accepted(const RepoCache& cache, const ListedModel& model) {
  for (const nlohmann::json& record : read_records(cache))
    if (record.is_object() && record.value("licence", "") == model.licence) return true;
  return false;
}

void record_licence(const RepoCache& cache, const ListedModel& model, const std::string& commit) {
  nlohmann::json records = read_records(cache);
  for (const nlohmann::json& record : records)
    if (record.is_object() && record.value("licence", "") == model.licence &&
        record.value("commit", "") == commit)
      return;
  records.push_back({{"licence", model.licence},
                     {"url", model.licence_url},
                     {"revision", model.revision},
                     {"commit", commit},
                     {"time", utc_now()},
                     {"accepted", model.permissive ? "permissive" : "by the user"}});
  write_file_atomically(cache.folder() / kFile, records.dump(1) + "\n");
}

void refuse_without_licence(const ListedModel& model) {
  throw Error(HN_UNSUPPORTED,
              host::cat("[pull ", model.name, "] its licence, ", model.licence,
                        model.licence_url.empty() ? "" : host::cat(" (", model.licence_url, ")"),
                        ", has to be accepted: read it, then pull with --accept-licence "
                        "(accept_licence = true)"));
}

}  // namespace hn::pull
