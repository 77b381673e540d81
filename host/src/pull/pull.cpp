#include "pull/pull.hpp"

#include <absl/strings/str_join.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "pull/download.hpp"
#include "pull/licence.hpp"
#include "pull/snapshot.hpp"
#include "support/cat.hpp"
#include "support/nearest.hpp"

namespace hn::pull {
namespace {

namespace fs = std::filesystem;
using host::cat;
using nlohmann::ordered_json;

ListedModel chosen(const WeightsList& list, const PullRequest& request) {
  ListedModel model = list.need(request.model);
  if (!request.revision.empty() && request.revision != model.revision) {
    check_revision(request.revision);
    model.revision = request.revision;
    model.known.clear();  // those are of the list's revision
  }
  return model;
}

void need_cache(const HubPlaces& places) {
  if (places.cache.empty())
    throw Error(HN_NOT_FOUND, "[pull] no folder for the cache: set HF_HOME, HF_HUB_CACHE or HOME");
}

// The files that the patterns choose, in the listing's order. Every pattern must choose one.
std::vector<std::string> choose_files(const ListedModel& model, const std::string& variant,
                                      const Listing& listing) {
  const std::vector<std::string> patterns = model.patterns(variant);
  std::vector<std::string> chosen, idle;
  for (const std::string& pattern : patterns) {
    const bool any = std::any_of(listing.files.begin(), listing.files.end(), [&](const auto& file) {
      return matches(pattern, file) && !model.leaves_out(file);
    });
    if (!any) idle.push_back(cat("'", pattern, "'", host::suggestion(pattern, listing.files)));
  }
  if (!idle.empty())
    throw Error(HN_NOT_FOUND,
                cat("[pull ", model.repo, "] revision ", model.revision, " has no file that is ",
                    absl::StrJoin(idle, ", and none that is ")));
  for (const std::string& file : listing.files) {
    const bool wanted = std::any_of(patterns.begin(), patterns.end(),
                                    [&](const auto& pattern) { return matches(pattern, file); });
    if (wanted && !model.leaves_out(file)) chosen.push_back(file);
  }
  return chosen;
}

// One repository's files: those of a model, or of one of its parts.
class Job {
 public:
  Job(const ListedModel& model, const HubPlaces& places, const PullRequest& request,
      const hnhost_http_v1& module, const core::Services& services)
      : model_(model),
        places_(places),
        request_(request),
        module_(module),
        services_(services),
        cache_(places.cache, model.repo, places.symlinks),
        client_(open_client([this] { return cancelled(); })) {}

  void need_licence() const {
    if (!accepted() && !request_.accept_licence && !request_.dry_run)
      refuse_without_licence(model_);
  }

  // Asks the hub; gives what there is.
  ordered_json plan() {
    services_progress("asking what there is", 0, 0);
    // Variants are the model's own.
    const std::string variant = model_.option.empty() ? request_.variant : "";
    const Listing listing = client_->list(model_.repo, model_.revision);
    commit_ = listing.commit;
    look_up(choose_files(model_, variant, listing));
    return describe(variant);
  }

  std::uint64_t missing_bytes() const {
    std::uint64_t wanted = 0;
    for (const FileFacts& facts : facts_)
      if (!is_there(facts)) wanted += facts.bytes.value_or(0);
    return wanted;
  }
  std::uint64_t total() const { return total_; }

  // before, all: bytes of the jobs before this one, and of all, for the progress.
  void fetch(ordered_json& answer, std::uint64_t before, std::uint64_t all) {
    fetch_files(answer, before, all);
    cache_.write_ref(model_.revision, commit_);
    record_licence(cache_, model_, commit_);
    answer["licence"]["accepted"] = true;
  }

 private:
  bool cancelled() const { return services_.cancelled && services_.cancelled(); }
  void stop_if_cancelled() const {
    if (cancelled())
      throw Error(HN_CANCELLED, cat("[pull ", model_.name,
                                    "] stopped; what is there is kept, pull "
                                    "again to go on"));
  }
  void services_progress(const std::string& what, std::uint64_t done, std::uint64_t total) const {
    if (services_.progress) services_.progress(what, done, total);
  }
  void note(const std::string& text) const {
    if (services_.log) services_.log(HN_LOG_WARNING, text);
  }

  std::unique_ptr<HubClient> open_client(std::function<bool()> stop) const {
    return std::make_unique<HubClient>(module_, places_, request_.net, std::move(stop),
                                       [this](const std::string& text) { note(text); });
  }

  void look_up(const std::vector<std::string>& files) {
    for (const std::string& file : files) {
      stop_if_cancelled();
      services_progress("asking what there is", facts_.size(), files.size());
      facts_.push_back(client_->facts(model_.repo, commit_, file));
      check_known(model_.repo, facts_.back(), known(file));
      total_ += facts_.back().bytes.value_or(0);
    }
  }

  KnownFile known(const std::string& file) const {
    const auto found = model_.known.find(file);
    return found == model_.known.end() ? KnownFile{} : found->second;
  }

  bool is_there(const FileFacts& facts) const {
    const auto stored = cache_.stored(commit_, facts.name, facts.etag);
    std::error_code failed;
    return stored && (!facts.bytes || fs::file_size(*stored, failed) == *facts.bytes) && !failed;
  }

  bool accepted() const { return model_.permissive || licence_accepted(cache_, model_); }

  ordered_json describe(const std::string& variant) const {
    ordered_json answer;
    if (model_.option.empty()) {
      answer["model"] = model_.name;
    } else {
      answer["option"] = model_.option;
    }
    answer["repo"] = model_.repo;
    answer["revision"] = model_.revision;
    answer["commit"] = commit_;
    answer["variant"] = variant;
    answer["licence"] = {{"name", model_.licence},
                         {"url", model_.licence_url},
                         {"permissive", model_.permissive},
                         {"accepted", accepted()}};
    const fs::path folder = cache_.snapshot(commit_);
    answer["folder"] = folder.string();
    answer["weights"] =
        model_.weights == "." ? folder.string() : (folder / model_.weights).string();
    answer["files"] = ordered_json::array();
    for (const FileFacts& facts : facts_) {
      const bool there = is_there(facts);
      ordered_json row = {
          {"file", facts.name}, {"bytes", nullptr}, {"state", there ? "present" : "missing"}};
      if (facts.bytes) row["bytes"] = *facts.bytes;
      answer["files"].push_back(std::move(row));
    }
    answer["bytes"] = total_;
    answer["missing_bytes"] = missing_bytes();
    return answer;
  }

  void fetch_files(ordered_json& answer, std::uint64_t before, std::uint64_t all) {
    std::uint64_t bytes_here = 0, downloaded = 0;
    for (std::size_t i = 0; i < facts_.size(); ++i) {
      const FileFacts& facts = facts_[i];
      Meter meter;
      meter.progress = [&](const std::string& what, std::uint64_t bytes) {
        stop_if_cancelled();
        services_progress(what, before + bytes_here + bytes, all);
      };
      meter.note = [this](const std::string& text) { note(text); };
      const Source source = {
          model_.repo, facts.name, client_->file_url(model_.repo, commit_, facts.name),
          [this](std::function<bool()> stop) { return open_client(std::move(stop)); }};
      const Fetched fetched = fetch_blob(cache_, commit_, facts, known(facts.name), source,
                                         request_.transfer, request_.verify, meter);
      if (cache_.place(commit_, facts.name, facts.etag, fetched.downloaded) &&
          !std::exchange(told_links_, true))
        note(cat("[pull ", model_.repo, "] ", places_.cache.string(),
                 " has no symbolic links; files stand in the snapshot itself, and take their room "
                 "for each revision"));
      bytes_here += fetched.bytes;
      if (fetched.downloaded) downloaded += fetched.bytes;
      ordered_json& row = answer["files"][i];
      row["bytes"] = fetched.bytes;
      row["state"] = fetched.downloaded ? "downloaded" : "present";
      if (fetched.downloaded || request_.verify) row["verified"] = sum_name(fetched.verified);
    }
    answer["bytes"] = bytes_here;
    answer["missing_bytes"] = 0;
    answer["downloaded_bytes"] = downloaded;
  }

  const ListedModel& model_;
  const HubPlaces& places_;
  const PullRequest& request_;
  const hnhost_http_v1& module_;
  const core::Services& services_;
  RepoCache cache_;
  std::unique_ptr<HubClient> client_;
  std::string commit_;
  std::vector<FileFacts> facts_;
  std::uint64_t total_ = 0;
  bool told_links_ = false;
};

// What is left of a stopped download has its room already, so the check is on the safe side.
void check_room(const ListedModel& model, const HubPlaces& places, const PullRequest& request,
                std::uint64_t wanted) {
  fs::path folder = places.cache;
  std::error_code failed;
  while (!fs::exists(folder, failed) && folder.has_relative_path()) folder = folder.parent_path();
  const std::uint64_t free =
      request.free_bytes ? request.free_bytes(folder) : fs::space(folder, failed).available;
  if (!failed && wanted > free)
    throw Error(HN_INTERNAL, cat("[pull ", model.name, "] needs ", wanted, " bytes in ",
                                 places.cache.string(), ", where ", free,
                                 " are free; make room, or name another folder in HF_HUB_CACHE"));
}

// The model's own answer, with those of its parts in it and all bytes added up.
ordered_json joined(const std::vector<ordered_json>& answers) {
  ordered_json answer = answers.front();
  answer["parts"] = ordered_json::array();
  for (std::size_t i = 1; i < answers.size(); ++i) {
    for (const char* key : {"bytes", "missing_bytes", "downloaded_bytes"})
      if (answer.contains(key))
        answer[key] = answer[key].get<std::uint64_t>() + answers[i].at(key).get<std::uint64_t>();
    answer["parts"].push_back(answers[i]);
  }
  return answer;
}

}  // namespace

ordered_json pull(const WeightsList& list, const HubPlaces& places, const PullRequest& request,
                  const hnhost_http_v1& module, const core::Services& services) {
  need_cache(places);
  const ListedModel model = chosen(list, request);
  std::vector<std::unique_ptr<Job>> jobs;
  jobs.push_back(std::make_unique<Job>(model, places, request, module, services));
  for (const ListedModel& part : model.parts)
    jobs.push_back(std::make_unique<Job>(part, places, request, module, services));
  for (const auto& job : jobs) job->need_licence();
  std::vector<ordered_json> answers;
  std::uint64_t missing = 0, all = 0, before = 0;
  for (const auto& job : jobs) {
    answers.push_back(job->plan());
    missing += job->missing_bytes();
    all += job->total();
  }
  if (request.dry_run) return joined(answers);
  check_room(model, places, request, missing);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i]->fetch(answers[i], before, all);
    before += jobs[i]->total();
  }
  return joined(answers);
}

ordered_json pull_offline(const WeightsList& list, const HubPlaces& places,
                          const PullRequest& request) {
  need_cache(places);
  const ListedModel model = chosen(list, request);
  std::vector<std::string> missing;
  const auto snapshot = find_snapshot(model, places, request.variant, &missing);
  if (!snapshot)
    throw Error(HN_NOT_FOUND,
                cat("[pull ", model.name, "] offline (HF_HUB_OFFLINE), and ", places.cache.string(),
                    " lacks of ", model.repo, ": ", absl::StrJoin(missing, ", ")));
  ordered_json answer;
  answer["model"] = model.name;
  answer["repo"] = model.repo;
  answer["revision"] = model.revision;
  answer["commit"] = snapshot->commit;
  answer["variant"] = snapshot->variant;
  answer["folder"] = snapshot->folder.string();
  answer["weights"] = snapshot->weights.string();
  answer["parts"] = ordered_json::array();
  for (const auto& [option, path] : snapshot->options)
    answer["parts"].push_back({{"option", option}, {"weights", path.string()}});
  answer["downloaded_bytes"] = 0;
  return answer;
}

}  // namespace hn::pull
