// A core module without LibTorch: the interface of session.hpp over simple arithmetic, so that the
// C API can be tested alone. images = 0.5 + 0.1 * (adapted), latents = noise, delta = 0.25 *
// strength * noise.
// With the generator's option guidance = 9 a thread tells of progress and asks whether to stop as
// long as the session lives, as a plugin's own may.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <hn/cpp/error.hpp>
#include <hn/cpp/tensor.hpp>
#include <numeric>
#include <thread>

#include "core/session.hpp"

namespace {

using hn::Error;
using namespace hn::core;

std::size_t count(const std::vector<std::int64_t>& shape) {
  return static_cast<std::size_t>(
      std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
}

// Calls body(index in row-major order, the number) for each of a caller's tensor.
template <class Body>
void for_each(const DLTensor& tensor, const Body& body) {
  auto* base = hn::data_of<float>(tensor);
  const auto shape = hn::shape_of(tensor);
  for (std::size_t i = 0; i < static_cast<std::size_t>(hn::element_count(tensor)); ++i) {
    std::int64_t offset = 0;
    auto rest = static_cast<std::int64_t>(i);
    for (std::size_t d = shape.size(); d-- > 0; rest /= shape[d])
      offset += rest % shape[d] * tensor.strides[d];
    body(i, base[offset]);
  }
}
Tensor read(const DLTensor& from) {
  const auto shape = hn::shape_of(from);
  Tensor copy{{shape.begin(), shape.end()}, {}};
  for_each(from, [&](std::size_t, float value) { copy.data.push_back(value); });
  return copy;
}
void write(Borrowed to, const std::vector<float>& values) {
  if (to != nullptr) for_each(*to, [&](std::size_t i, float& value) { value = values.at(i); });
}

class FakeSession : public Session {
 public:
  FakeSession(SessionSpec spec, Services services)
      : spec_(std::move(spec)), services_(std::move(services)) {
    shapes_.noise = {4, 2, 2};
    shapes_.image = {3, 8, 8};
    shapes_.steps = 2;
    shapes_.trainable = 10;
    if (services_.log)
      services_.log(1, "fake core: " + std::to_string(spec_.train.prompts.size()) + " prompts");
    if (services_.progress) services_.progress("loading fake", 0, 1);
    if (services_.cancelled && services_.cancelled())
      throw Error(HN_CANCELLED, "[fake] cancelled while it was loaded");
    const auto guidance = spec_.generator.options.find("guidance");
    if (guidance == spec_.generator.options.end() || std::get<double>(guidance->second) != 9)
      return;
    own_ = std::thread([this] {
      while (!over_) {
        services_.progress("of a thread", 0, 0);
        (void)services_.cancelled();
      }
    });
  }

  // As a plugin may while it is destroyed.
  ~FakeSession() override {
    over_ = true;
    if (own_.joinable()) own_.join();
    if (services_.log) services_.log(1, "fake core: closed");
  }
  FakeSession(const FakeSession&) = delete;
  FakeSession& operator=(const FakeSession&) = delete;

  const Shapes& shapes() const override { return shapes_; }
  std::uint64_t step() const override { return step_; }
  RewardTraits traits(std::size_t) const override { return {{"least", "most"}, true, true}; }

  StepReport train_step() override {
    stop_if_cancelled();
    if (services_.progress) services_.progress("training", step_, 0);
    ++step_;
    StepReport report;
    report.step = step_;
    report.rewards.assign(spec_.rewards.size(), 0.5 * static_cast<double>(step_));
    report.reward = 7;
    report.kl = 0.25;
    report.seconds = 0.5;
    report.skipped = step_ == 3;
    report.why = "reward fake: nan at sample 0";
    return report;
  }

  SampleResult sample(const SampleRequest& request) override {
    tell(request.prompts);
    if (services_.progress) services_.progress("sampling", 0, 1);
    stop_if_cancelled();
    const auto batch = static_cast<std::int64_t>(request.prompts.size());
    SampleResult result;
    result.images.shape = {batch, 3, 8, 8};
    result.images.data.assign(count(result.images.shape), request.adapted ? 0.6f : 0.5f);
    result.noise.shape = {batch, 4, 2, 2};
    result.noise.data.assign(count(result.noise.shape), static_cast<float>(request.seed));
    if (request.noise) result.noise = *request.noise;
    if (request.tensors.noise != nullptr) result.noise = read(*request.tensors.noise);
    result.latents = result.noise;
    result.delta = result.noise;
    for (float& value : result.delta.data)
      value *= request.adapted ? 0.25f * static_cast<float>(request.strength) : 0.0f;
    write(request.tensors.images, result.images.data);
    write(request.tensors.latents, result.latents.data);
    write(request.tensors.delta, result.delta.data);
    return result;
  }

  ScoreResult score(const ScoreRequest& request) override {
    tell(request.prompts);
    if (services_.progress) services_.progress("scoring", 0, 1);
    stop_if_cancelled();
    const Tensor images =
        request.tensors.images != nullptr ? read(*request.tensors.images) : request.images;
    ScoreResult result;
    const auto batch = static_cast<std::size_t>(images.shape[0]);
    const std::size_t each = images.data.size() / batch;
    for (std::size_t i = 0; i < batch; ++i) {
      const float* first = images.data.data() + i * each;
      result.scores.push_back(std::accumulate(first, first + each, 0.0f) /
                              static_cast<float>(each));
      result.columns["least"].push_back(*std::min_element(first, first + each));
      result.columns["most"].push_back(*std::max_element(first, first + each));
    }
    result.image_grad.shape = images.shape;
    result.image_grad.data.assign(images.data.size(), 1.0f / static_cast<float>(each));
    std::vector<float> columns = result.columns["least"];
    columns.insert(columns.end(), result.columns["most"].begin(), result.columns["most"].end());
    write(request.tensors.scores, result.scores);
    write(request.tensors.columns, columns);
    write(request.tensors.image_grad, result.image_grad.data);
    return result;
  }

  void save_adapter(const std::filesystem::path& folder, Weights) override {
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "adapter_config.json") << "{}";
  }
  void load_adapter(const std::filesystem::path& folder) override {
    if (!std::filesystem::exists(folder / "adapter_config.json"))
      throw Error(HN_NOT_FOUND, "[fake] no adapter in " + folder.string());
  }
  void save_checkpoint(const std::filesystem::path& file) override { std::ofstream(file) << step_; }
  void load_checkpoint(const std::filesystem::path& file) override {
    if (!(std::ifstream(file) >> step_))
      throw Error(HN_NOT_FOUND, "[fake] no checkpoint " + file.string());
  }
  std::vector<double> lipschitz(const std::vector<Prompt>& prompts, std::uint64_t, int) override {
    return std::vector<double>(prompts.size(), 0.25);
  }

 private:
  void stop_if_cancelled() const {
    if (services_.cancelled && services_.cancelled()) throw Error(HN_CANCELLED, "[fake] cancelled");
  }
  void tell(const std::vector<Prompt>& prompts) const {
    for (const Prompt& prompt : prompts)
      if (services_.log)
        services_.log(1, "prompt '" + prompt.text + "' not '" + prompt.negative + "' json '" +
                             prompt.json + "' with " +
                             std::to_string(prompt.has_tensors() ? prompt.tensors->size() : 0));
  }

  SessionSpec spec_;
  Services services_;
  Shapes shapes_;
  std::uint64_t step_ = 0;
  std::atomic<bool> over_{false};
  std::thread own_;
};

std::unique_ptr<Session> open_session(SessionSpec spec, Services services) {
  if (spec.generator.plugin.entry == nullptr && !spec.generator.name.empty())
    throw Error(HN_INTERNAL, "[fake] the generator was not opened");
  for (const RewardSpec& reward : spec.rewards)
    if (reward.plugin.entry == nullptr) throw Error(HN_INTERNAL, "[fake] a reward was not opened");
  return std::make_unique<FakeSession>(std::move(spec), std::move(services));
}

}  // namespace

extern "C" {
HN_EXPORT extern const hnhost_core_v1 hnhost_core_entry_v1;
const hnhost_core_v1 hnhost_core_entry_v1 = {"none", &open_session};
}
