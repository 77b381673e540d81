#include "run/try_job.hpp"

#include <chrono>
#include <cmath>
#include <filesystem>
#include <hn/cpp/error.hpp>
#include <hn/formats/atomic_file.hpp>
#include <nlohmann/json.hpp>
#include <vector>

#include "config/ranges.hpp"
#include "files/image.hpp"
#include "report/report.hpp"
#include "report/svg.hpp"
#include "run/model_request.hpp"
#include "scoring/evaluate.hpp"
#include "support/cat.hpp"

namespace hn::host {
namespace {

using nlohmann::ordered_json;

constexpr std::int64_t kPrompts = 4;  // of the generator's own, where none is given
constexpr std::size_t kMostStrengths = 16;

struct Request {
  ModelRequest model;
  std::uint64_t seed = 0;
  std::int64_t seeds = 1;
  std::vector<double> strengths;
  std::string out;
};

Request parse(std::string_view text) {
  TomlTable table = TomlTable::parse(text, "try request");
  Request request;
  request.model.read(table);
  request.seed = static_cast<std::uint64_t>(table.find_i64("seed", 0, kMostSeed).value_or(0));
  request.seeds = table.find_i64("seeds", 1, 1000).value_or(1);
  request.strengths = table.find_f64_list("strengths").value_or(std::vector<double>{1});
  request.out = table.find_str("out").value_or("try.html");
  table.finish();
  if (request.model.adapter.empty())
    throw Error(HN_INVALID_ARGUMENT, "[try] expected a run or an adapter to try, got none");
  if (request.strengths.empty() || request.strengths.size() > kMostStrengths)
    throw Error(HN_INVALID_ARGUMENT, cat("[try] strengths: expected 1 to ", kMostStrengths,
                                         " numbers, got ", request.strengths.size()));
  for (const double strength : request.strengths)
    if (!std::isfinite(strength))
      throw Error(HN_INVALID_ARGUMENT, "[try] strengths: expected finite numbers");
  if (request.model.prompts.empty() && request.model.prompts_file.empty() &&
      request.model.count == 0)
    request.model.count = kPrompts;
  return request;
}

RunConfig configuration(Request& request, const Registry& registry) {
  RunConfig config = request.model.parsed();
  request.model.take_rewards(config);
  for (RewardConfig& reward : config.rewards) reward.train = false;  // shown, whatever it gives
  request.model.resolve(config, registry);
  return config;
}

struct Shown {
  double strength = 0;  // 0: without the adapter
  std::vector<double> scores;
  std::string png;
};

class Sheet {
 public:
  Sheet(const Request& request, core::Session& session, const core::SessionSpec& spec)
      : request_(request), session_(session) {
    for (const core::RewardSpec& reward : spec.rewards) names_.push_back(reward.name);
  }

  const std::vector<std::string>& names() const { return names_; }
  const std::string& body() const { return body_; }
  const ordered_json& pictures() const { return pictures_; }
  const ordered_json& missing() const { return missing_; }

  void add(const core::Prompt& prompt, std::uint64_t seed) {
    std::vector<Shown> row{draw(prompt, seed, std::nullopt)};
    for (const double strength : request_.strengths) row.push_back(draw(prompt, seed, strength));
    body_ += "<h2>" + escape_html(prompt.text) + " <span class=\"dim\">seed " +
             std::to_string(seed) + "</span></h2><div class=\"charts\">";
    for (const Shown& shown : row) {
      body_ += figure(prompt.text, shown, row.front(), &shown == &row.front());
      ordered_json scores = ordered_json::object(), change = ordered_json::object();
      for (std::size_t k = 0; k < names_.size(); ++k) {
        scores[names_[k]] = finite_or_null(shown.scores[k]);
        change[names_[k]] = finite_or_null(shown.scores[k] - row.front().scores[k]);
      }
      ordered_json entry = {{"prompt", prompt.text}, {"seed", seed}};
      entry["adapted"] = &shown != &row.front();
      entry["strength"] = shown.strength;
      entry["scores"] = std::move(scores);
      if (&shown != &row.front()) entry["change"] = std::move(change);
      pictures_.push_back(std::move(entry));
    }
    body_ += "</div>";
  }

 private:
  Shown draw(const core::Prompt& prompt, std::uint64_t seed, std::optional<double> strength) {
    core::SampleRequest sample;
    sample.prompts = {prompt};
    sample.seed = seed;
    sample.adapted = strength.has_value();
    sample.strength = strength.value_or(1);
    const core::SampleResult result = session_.sample(sample);
    Shown shown;
    shown.strength = strength.value_or(0);
    PngTexts texts = {{"prompt", prompt.text}, {"seed", std::to_string(seed)}};
    if (strength) {
      texts.emplace_back("adapter", request_.model.adapter);
      texts.emplace_back("strength", cat(*strength));
    }
    std::string scores;  // in one text: a keyword has 79 bytes, and a reward's name may be a path
    for (std::size_t k = 0; k < names_.size(); ++k) {
      core::ScoreRequest score;
      score.images = result.images;
      score.prompts = {prompt};
      score.reward = k;
      score.partial = true;
      const core::ScoreResult found = session_.score(score);
      shown.scores.push_back(static_cast<double>(found.scores.at(0)));
      if (found.missing.empty())
        scores += cat(scores.empty() ? "" : ", ", names_[k], " ", found.scores.at(0));
      else
        missing_[names_[k]] = found.missing.begin()->second;
    }
    if (!scores.empty()) texts.emplace_back("scores", scores);
    shown.png = encode_png(to_image(result.images, 0), texts);
    return shown;
  }

  std::string figure(const std::string& prompt, const Shown& shown, const Shown& before,
                     bool first) const {
    const std::string label = first ? "before"
                                    : (request_.strengths.size() == 1 && shown.strength == 1
                                           ? std::string("after")
                                           : "after, strength " + number_text(shown.strength));
    std::string out = "<figure><figcaption>" + label + "</figcaption><img alt=\"" +
                      escape_html(label + ": " + prompt) +
                      "\" style=\"width:100%;image-rendering:pixelated\" "
                      "src=\"data:image/png;base64," +
                      base64(shown.png) + "\"/>";
    for (std::size_t k = 0; k < names_.size(); ++k) {
      out += "<div>" + escape_html(names_[k]) + " <b>" + number_text(shown.scores[k]) + "</b>";
      const double change = shown.scores[k] - before.scores[k];
      if (!first && std::isfinite(change))
        out += std::string(" (") + (change < 0 ? "" : "+") + number_text(change) + ")";
      out += "</div>";
    }
    return out + "</figure>";
  }

  const Request& request_;
  core::Session& session_;
  std::vector<std::string> names_;
  std::string body_;
  ordered_json pictures_ = ordered_json::array();
  ordered_json missing_ = ordered_json::object();
};

}  // namespace

std::string try_job(Host& host, std::string_view text, const hnhost_hooks* hooks) {
  Request request = parse(text);
  const RunConfig config = configuration(request, host.registry());
  const auto prompts =
      request.model.read_prompts(config, host.registry(), config.train.sample_prompts, "try");
  if (request.seed + static_cast<std::uint64_t>(request.seeds) - 1 >
      static_cast<std::uint64_t>(kMostSeed))
    throw Error(HN_INVALID_ARGUMENT, cat("[try] seed: expected seeds up to ", kMostSeed));
  // Before the work: a page that cannot be written should not cost it.
  if (const auto folder = std::filesystem::absolute(request.out).parent_path();
      !std::filesystem::is_directory(folder))
    throw Error(HN_NOT_FOUND, "[try] out: expected an existing folder, got " + folder.string());
  const core::Services services = make_services(host, hooks);
  const auto session = host.open_session(config, services);
  const auto begin = std::chrono::steady_clock::now();
  Sheet sheet(request, *session, session_spec(config, host.registry()));
  const auto seeds = static_cast<std::uint64_t>(request.seeds);
  std::uint64_t done = 0;
  for (const core::Prompt& prompt : prompts)
    for (std::uint64_t i = 0; i < seeds; ++i) {
      sheet.add(prompt, request.seed + i);
      services.progress("trying", ++done, prompts.size() * seeds);
    }
  write_file_atomically(request.out,
                        html_page("Before and after: " + request.model.adapter, sheet.body()));
  ordered_json answer;
  answer["sheet"] = request.out;
  answer["rewards"] = sheet.names();
  answer["pictures"] = sheet.pictures();
  if (!sheet.missing().empty()) answer["missing"] = sheet.missing();
  answer["seconds"] =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return answer.dump(2) + "\n";
}

}  // namespace hn::host
