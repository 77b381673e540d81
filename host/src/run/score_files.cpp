#include <memory>
#include <optional>
#include <set>
#include <span>

#include "config/ranges.hpp"
#include "files/decode_image.hpp"
#include "files/tensor_file.hpp"
#include "run/sample_files.hpp"
#include "scoring/evaluate.hpp"
#include "scoring/prompt_lookup.hpp"
#include "support/toml_table.hpp"

namespace hn::host {
namespace {

struct Request {
  std::string config, images_in, prompts_file, scores_out, grad_out;
  std::vector<std::string> images, prompts;
  std::int64_t batch = 16;
};

Request parse(std::string_view text) {
  auto table = host::TomlTable::parse(text, "score request");
  Request request;
  request.config = table.find_str("config").value_or("");
  request.images_in = table.find_str("images_in").value_or("");
  request.images = table.find_list("images").value_or(std::vector<std::string>{});
  request.prompts_file = table.find_str("prompts_file").value_or("");
  request.prompts = table.find_list("prompts").value_or(std::vector<std::string>{});
  request.scores_out = table.find_str("scores_out").value_or("");
  request.grad_out = table.find_str("grad_out").value_or("");
  request.batch = table.find_i64("batch", 1, host::kMostSamples).value_or(16);
  table.finish();
  if (request.images_in.empty() == request.images.empty())
    throw Error(HN_INVALID_ARGUMENT,
                "[score] expected images_in (a safetensors file with `images`) or images (PNG, "
                "JPEG and WebP files), got " +
                    std::string(request.images.empty() ? "neither" : "both"));
  return request;
}

core::Tensor load_images(const Request& request, const host::PicturesConfig& pictures) {
  if (!request.images_in.empty()) {
    core::Tensor images = read_tensor(request.images_in, "images");
    expect_shape(images,
                 {-1, 3, images.shape.size() == 4 ? images.shape[2] : -1,
                  images.shape.size() == 4 ? images.shape[3] : -1},
                 request.images_in + ": images");
    require_pictures(images, request.images_in + ": images");
    return images;
  }
  std::vector<Image> images;
  for (const std::string& file : request.images) images.push_back(read_image(file, pictures));
  return from_images(images, request.images);
}

// A table that names pictures gives picture files theirs by name; nothing where it names none.
std::optional<std::vector<core::Prompt>> prompts_by_name(const Request& request,
                                                         std::vector<std::string>& notes) {
  if (request.images.empty() || !is_table(request.prompts_file)) return std::nullopt;
  const ItemTable table = read_item_table(request.prompts_file);
  if (!table.has_images) return std::nullopt;
  std::vector<ScoreItem> items;
  for (const std::string& image : request.images) items.push_back({image, image, {}, {}});
  look_up_prompts(table, items, notes);
  std::vector<core::Prompt> prompts;
  for (const ScoreItem& item : items) prompts.push_back(item.prompt);
  return prompts;
}

std::vector<core::Prompt> load_prompt_list(const Request& request, const host::RunConfig& config,
                                           const host::Registry& registry, std::int64_t samples,
                                           std::vector<std::string>& notes) {
  std::vector<core::Prompt> prompts(request.prompts.begin(), request.prompts.end());
  if (!request.prompts_file.empty()) {
    if (!prompts.empty())
      throw Error(HN_INVALID_ARGUMENT, "[score] expected prompts or a file of them, got both");
    if (auto found = prompts_by_name(request, notes)) return *std::move(found);
    prompts = load_prompts(config, registry, request.prompts_file);
  }
  refuse_shell_order(core::texts_of(prompts), request.images);
  if (prompts.size() == 1) prompts.assign(static_cast<std::size_t>(samples), prompts[0]);
  if (!prompts.empty() && static_cast<std::int64_t>(prompts.size()) != samples)
    throw Error(HN_INVALID_ARGUMENT, "[score] expected a prompt for each of " +
                                         std::to_string(samples) + " images, or one for all, got " +
                                         std::to_string(prompts.size()));
  return prompts;
}

nlohmann::ordered_json numbers(std::span<const float> values) {
  auto list = nlohmann::ordered_json::array();
  for (const float value : values) list.push_back(finite_or_null(value));
  return list;
}

}  // namespace

std::string score_files(host::Host& host, std::string_view text, const hnhost_hooks* hooks) {
  const Request request = parse(text);
  const host::RunConfig config = host.configure(request.config, ConfigUse::kRewards);
  std::vector<std::string> names;
  for (const core::RewardSpec& reward :
       host::session_spec(config, host.registry(), ConfigUse::kRewards).rewards)
    names.push_back(reward.name);
  if (names.size() > 1 && !(request.scores_out.empty() && request.grad_out.empty()))
    throw Error(HN_INVALID_ARGUMENT,
                "[score] expected one reward with scores_out or grad_out (their tensors carry no "
                "name of a reward), got " +
                    std::to_string(names.size()));
  core::ScoreRequest score;
  score.images = load_images(request, config.pictures);
  std::vector<std::string> notes;
  score.prompts =
      load_prompt_list(request, config, host.registry(), score.images.shape.at(0), notes);
  for (const std::string& note : notes) host.log(HN_LOG_WARNING, note);
  score.batch = request.batch;
  score.want_grad = !request.grad_out.empty();
  // A tensor has no place for a reason: there one picture without a number is an error.
  score.partial = request.scores_out.empty() && request.grad_out.empty();

  const auto session = host.open_rewards(config, host::make_services(host, hooks));
  auto rows = nlohmann::ordered_json::array();
  std::set<std::size_t> failed;
  for (std::size_t k = 0; k < names.size(); ++k) {
    score.reward = k;
    const core::ScoreResult result = session->score(score);
    const std::vector<double> values(result.scores.begin(), result.scores.end());
    nlohmann::ordered_json row = {
        {"name", names[k]}, {"mean", to_json(mean_of(values))}, {"scores", numbers(result.scores)}};
    for (const auto& [column, list] : result.columns) row["columns"][column] = numbers(list);
    for (const auto& [i, why] : result.missing) {
      row["errors"].push_back({{"image", i}, {"error", why}});
      failed.insert(i);
    }
    rows.push_back(std::move(row));
    if (!request.scores_out.empty())
      write_tensor(request.scores_out, "score", {static_cast<std::int64_t>(values.size())},
                   result.scores);
    if (score.want_grad)
      write_tensor(request.grad_out, "image_grad", result.image_grad.shape, result.image_grad.data);
  }
  const nlohmann::ordered_json answer = {{"images", score.images.shape.at(0)},
                                         {"errors", failed.size()},
                                         {"rewards", std::move(rows)},
                                         {"notes", notes}};
  return answer.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace hn::host
