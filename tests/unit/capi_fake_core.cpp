// A core module without LibTorch: the interface of session.hpp over simple arithmetic, so that the
// C API can be tested alone. images = 0.5 + 0.1 * (adapted), latents = noise, delta = 0.25 * noise.
#include <fstream>
#include <hn/cpp/error.hpp>
#include <numeric>

#include "core/session.hpp"

namespace {

using hn::Error;
using namespace hn::core;

std::size_t count(const std::vector<std::int64_t>& shape) {
  return static_cast<std::size_t>(
      std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
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
  }

  // As a plugin may while it is destroyed.
  ~FakeSession() override {
    if (services_.log) services_.log(1, "fake core: closed");
  }
  FakeSession(const FakeSession&) = delete;
  FakeSession& operator=(const FakeSession&) = delete;

  const Shapes& shapes() const override { return shapes_; }
  std::uint64_t step() const override { return step_; }

  StepReport train_step() override {
    if (services_.cancelled && services_.cancelled()) throw Error(HN_CANCELLED, "[fake] cancelled");
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
    const auto batch = static_cast<std::int64_t>(request.prompts.size());
    SampleResult result;
    result.images.shape = {batch, 3, 8, 8};
    result.images.data.assign(count(result.images.shape), request.adapted ? 0.6f : 0.5f);
    result.noise.shape = {batch, 4, 2, 2};
    result.noise.data.assign(count(result.noise.shape), static_cast<float>(request.seed));
    if (request.noise) result.noise = *request.noise;
    result.latents = result.noise;
    result.delta = result.noise;
    for (float& value : result.delta.data) value *= request.adapted ? 0.25f : 0.0f;
    return result;
  }

  ScoreResult score(const ScoreRequest& request) override {
    ScoreResult result;
    const auto batch = static_cast<std::size_t>(request.images.shape[0]);
    const std::size_t each = request.images.data.size() / batch;
    for (std::size_t i = 0; i < batch; ++i) {
      const float* first = request.images.data.data() + i * each;
      result.scores.push_back(std::accumulate(first, first + each, 0.0f) /
                              static_cast<float>(each));
    }
    if (request.want_grad) {
      result.image_grad.shape = request.images.shape;
      result.image_grad.data.assign(request.images.data.size(), 1.0f / static_cast<float>(each));
    }
    return result;
  }

  void save_adapter(const std::filesystem::path& folder) override {
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
  std::vector<double> lipschitz(const std::vector<Prompt>& prompts, std::uint64_t,
                                int) override {
    return std::vector<double>(prompts.size(), 0.25);
  }

 private:
  SessionSpec spec_;
  Services services_;
  Shapes shapes_;
  std::uint64_t step_ = 0;
};

std::unique_ptr<Session> open_session(SessionSpec spec, Services services) {
  if (spec.generator.plugin.entry == nullptr)
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
