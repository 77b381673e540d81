#include "run/sample_files.hpp"

#include <chrono>
#include <optional>

#include "config/ranges.hpp"
#include "files/tensor_file.hpp"
#include "run/model_request.hpp"
#include "run/sample_folder.hpp"
#include "scoring/evaluate.hpp"
#include "support/cat.hpp"
#include "support/toml_table.hpp"

namespace hn::host {
namespace {

struct Request {
  ModelRequest model;
  std::string noise_in, latents_out, images_out, delta_out, noise_out, out_dir;
  std::uint64_t seed = 0;
  std::int64_t batch = 16;
  double strength = 1;
  PngTexts texts() const;
};

// What the pictures say of themselves.
PngTexts Request::texts() const {
  PngTexts all = {{"seed", std::to_string(seed)}};
  if (!noise_in.empty()) all = {{"noise", noise_in}};
  if (model.adapter.empty()) return all;
  all.emplace_back("adapter", model.adapter);
  all.emplace_back("strength", cat(strength));
  return all;
}

Request parse(std::string_view text) {
  auto table = host::TomlTable::parse(text, "sample request");
  Request request;
  const auto take = [&](const char* key, std::string& into) {
    into = table.find_str(key).value_or("");
  };
  request.model.read(table);
  take("noise_in", request.noise_in);
  take("latents_out", request.latents_out);
  take("images_out", request.images_out);
  take("delta_out", request.delta_out);
  take("noise_out", request.noise_out);
  take("out_dir", request.out_dir);
  request.seed = static_cast<std::uint64_t>(table.find_i64("seed", 0, host::kMostSeed).value_or(0));
  request.batch = table.find_i64("batch", 1, host::kMostSamples).value_or(16);
  request.strength = table.find_f64("strength").value_or(1);
  table.finish();
  return request;
}

// One prompt with a given noise [B,..] serves every sample.
void read_noise(const Request& request, const core::Shapes& shapes, core::SampleRequest& sample) {
  if (request.noise_in.empty()) return;
  const std::vector<std::int64_t>& one = shapes.noise;
  core::Tensor noise = read_tensor(request.noise_in, "noise");
  expect_shape(noise, {-1, one.at(0), one.at(1), one.at(2)}, request.noise_in + ": noise");
  require_finite(noise, request.noise_in + ": noise");
  const std::int64_t batch = noise.shape[0];
  if (sample.prompts.size() == 1 && batch > 1)
    sample.prompts.assign(static_cast<std::size_t>(batch), sample.prompts[0]);
  if (static_cast<std::int64_t>(sample.prompts.size()) != batch)
    throw Error(HN_INVALID_ARGUMENT, "[" + request.noise_in +
                                         ": noise] expected a noise for each of " +
                                         std::to_string(sample.prompts.size()) + " prompts, got " +
                                         std::to_string(batch));
  sample.noise = std::move(noise);
  sample.step_noise = find_tensor(request.noise_in, "step_noise");
  if (!sample.step_noise) return;
  expect_shape(*sample.step_noise, {shapes.steps - 1, batch, one[0], one[1], one[2]},
               request.noise_in + ": step_noise");
  require_finite(*sample.step_noise, request.noise_in + ": step_noise");
}

void write_outputs(const Request& request, const core::SampleResult& result,
                   const std::vector<core::Prompt>& prompts, std::optional<SampleFolder>& folder,
                   nlohmann::ordered_json& answer) {
  auto files = nlohmann::ordered_json::array();
  const auto put = [&](const std::string& file, const char* name, const core::Tensor& tensor) {
    if (file.empty()) return;
    write_tensor(file, name, tensor.shape, tensor.data);
    files.push_back(file);
  };
  put(request.latents_out, "latents", result.latents);
  put(request.images_out, "images", result.images);
  put(request.delta_out, "delta", result.delta);
  put(request.noise_out, "noise", result.noise);
  if (folder)
    for (const auto& file : folder->write(result.images, core::texts_of(prompts), request.texts()))
      files.push_back(file.string());
  answer["files"] = std::move(files);
}

}  // namespace

std::string sample_files(host::Host& host, std::string_view text, const hnhost_hooks* hooks) {
  Request request = parse(text);
  if (request.latents_out.empty() && request.images_out.empty() && request.delta_out.empty() &&
      request.noise_out.empty() && request.out_dir.empty())
    throw Error(HN_INVALID_ARGUMENT,
                "[sample] expected at least one of out_dir, images_out, latents_out, delta_out, "
                "noise_out; got none, so nothing would be kept");
  host::RunConfig config = request.model.parsed();
  request.model.resolve(config, host.registry());
  config.rewards.clear();
  config.eval.rewards.clear();
  const core::Services services = host::make_services(host, hooks);
  const auto begin = std::chrono::steady_clock::now();
  core::SampleRequest sample;
  sample.prompts =
      request.model.read_prompts(config, host.registry(), config.train.sample_prompts, "sample");
  const auto session = host.open_session(config, services);
  read_noise(request, session->shapes(), sample);
  // Before the work: a folder that cannot be used should not cost it.
  std::optional<SampleFolder> folder;
  if (!request.out_dir.empty()) folder.emplace(request.out_dir, sample.prompts.size());
  sample.seed = request.seed;
  sample.batch = request.batch;
  sample.strength = request.strength;
  sample.adapted = config.net.kind != core::NetKind::kNone;
  sample.want_images = !request.images_out.empty() || !request.out_dir.empty();
  sample.want_latents = !request.latents_out.empty();
  sample.want_delta = !request.delta_out.empty();
  sample.want_noise = !request.noise_out.empty();
  const auto loaded = std::chrono::steady_clock::now();
  const core::SampleResult result = session->sample(sample);
  const auto done = std::chrono::steady_clock::now();

  nlohmann::ordered_json answer;
  answer["samples"] = sample.prompts.size();
  answer["load_seconds"] = std::chrono::duration<double>(loaded - begin).count();
  answer["seconds"] = std::chrono::duration<double>(done - loaded).count();
  write_outputs(request, result, sample.prompts, folder, answer);
  return answer.dump(2) + "\n";
}

}  // namespace hn::host
