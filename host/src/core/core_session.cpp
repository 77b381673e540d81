#include "core/core_session.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <hn/torch/entry.hpp>
#include <optional>

#include "core/checkpoint.hpp"
#include "core/kl_terms.hpp"
#include "core/lipschitz.hpp"
#include "core/lora_file.hpp"
#include "core/noise_gradient.hpp"
#include "core/noise_net.hpp"
#include "core/noise_net_folder.hpp"
#include "core/sampler.hpp"
#include "core/scorer.hpp"
#include "core/shape_numbers.hpp"
#include "core/spec_check.hpp"
#include "core/thread_count.hpp"
#include "core/trainer.hpp"
#include "core/zeroth_order.hpp"

namespace hn::core {
namespace {

// Prompts in one call of a plugin. A run on the CPU is resumed to the bit, so a handle must not
// depend, in its last bits, on its neighbours there. Scoring alone resumes nothing, and a GPU's run
// is not bit-exact anyway: both gain from batches.
std::size_t encode_batch(const SessionSpec& spec, at::Device device) {
  const bool exact = device.is_cpu() && spec.generator.plugin.entry != nullptr;
  return exact ? 1 : 32;
}

at::Device parse_device(const std::string& text) {
  std::optional<at::Device> device;
  try {
    device.emplace(text);
  } catch (const c10::Error&) {
    throw Error(HN_INVALID_ARGUMENT,
                "[session] device: expected cpu, cuda or cuda:N, got '" + text + "'");
  }
  if (device->is_cpu()) return *device;
  if (!device->is_cuda())
    throw Error(HN_UNSUPPORTED, "[session] device: expected cpu or cuda, got '" + text + "'");
  if (!at::hasCUDA())
    throw Error(HN_UNSUPPORTED, "[session] device '" + text + "': this LibTorch has no CUDA");
  return device->has_index() ? *device : at::Device(at::kCUDA, 0);
}

std::string device_text(std::int32_t type, std::int32_t index) {
  return type == kDLCPU    ? std::string("the CPU")
         : type == kDLCUDA ? "cuda:" + std::to_string(index)
                           : "device type " + std::to_string(type);
}

// LibTorch works on its default stream, which the ABI calls 1.
hn_stream stream_of(at::Device device) {
  if (device.is_cpu()) return {kDLCPU, 0, 0};
  return {kDLCUDA, device.index(), 1};
}

// The caller's stream, or the default one where it gave none.
hn_stream session_stream(const hn_stream& given, at::Device device) {
  const hn_stream own = stream_of(device);
  if (given.device_type == 0 && given.device_id == 0 && given.handle == 0) return own;
  if (given.device_type != own.device_type || given.device_id != own.device_id)
    throw Error(HN_INVALID_ARGUMENT, "[session] stream: expected one of " +
                                         device_text(own.device_type, own.device_id) +
                                         ", where the session runs, got one of " +
                                         device_text(given.device_type, given.device_id));
  if (device.is_cpu() != (given.handle == 0))
    throw Error(HN_INVALID_ARGUMENT,
                device.is_cpu()
                    ? "[session] stream: expected handle 0 on the CPU, got another"
                    : "[session] stream: expected a cudaStream_t, 1 (legacy default) or 2 "
                      "(per-thread default), got 0");
  return given;
}

// On a GPU few plugins can promise the same bits, so there it is only asked for when the user does.
Determinism determinism_on(at::Device device, Determinism wanted) {
  return wanted == Determinism::kAuto && !device.is_cpu() ? Determinism::kNo : wanted;
}

class CoreSession final : public Session {
  // Every public function runs inside this: modes as the core wants them, LibTorch's errors as
  // ours.
  template <class Body>
  decltype(auto) enter(Body&& body) {
    const ThreadCount threads(spec_.threads);
    services_.at_step(0);
    const Entry entry(runtime_.stream, false);
    return translate_errors(std::forward<Body>(body));
  }

 public:
  CoreSession(SessionSpec spec, Services services)
      : spec_(std::move(spec)),
        device_(parse_device(spec_.device)),
        services_(std::move(services)),
        runtime_{services_,
                 session_stream(spec_.stream, device_),
                 {},
                 determinism_on(device_, spec_.deterministic)} {
    runtime_.reclaim = [this] { reclaim(); };
    enter([&] { open(); });
  }

  const Shapes& shapes() const override { return shapes_; }
  RewardTraits traits(std::size_t reward) const override {
    RewardModel& model = *rewards_.at(reward);
    return {column_names(model), model.needs_prompts(), model.differentiable()};
  }
  std::uint64_t step() const override { return trainer_ ? trainer_->steps_done() : 0; }

  void prepare_training() override {
    enter([&] { trainer().prepare(); });
  }
  StepReport train_step() override {
    return enter([&] { return trainer().step(); });
  }
  std::string stopped() const override { return trainer_ ? trainer_->stopped() : ""; }
  void keep_best(double objective) override {
    enter([&] {
      if (!std::isfinite(objective))
        throw Error(HN_INVALID_ARGUMENT, "[keep_best] objective: expected a finite number, got " +
                                             std::to_string(objective));
      trainer().kept().keep({trainer().steps_done(), objective});
    });
  }
  std::optional<BestState> best() const override {
    return trainer_ ? trainer_->kept().best() : std::nullopt;
  }
  void go_back(const std::string& why) override {
    enter([&] { trainer().go_back(why); });
  }
  SampleResult sample(const SampleRequest& request) override {
    return enter([&] {
      require_read(request.prompts, prompt_fields_);
      const auto in_place = weights_in_place(request.weights);
      // Named by its matrix, before a picture of it is.
      if (adapter_ && request.adapted) require_finite(*adapter_, "nothing is sampled with it");
      return core::sample(generator(), adapter_.get(), *prompts_, device_, request);
    });
  }
  ScoreResult score(const ScoreRequest& request) override {
    if (request.reward >= rewards_.size())
      throw Error(HN_INVALID_ARGUMENT, "[score] reward: expected an index below " +
                                           std::to_string(rewards_.size()) + ", got " +
                                           std::to_string(request.reward));
    RewardModel& reward = *rewards_[request.reward];
    return enter([&] {
      require_read(request.prompts, prompt_fields_);
      return core::score(reward, *prompts_, reward.device(), request);
    });
  }
  NoiseGradientResult noise_gradient(const NoiseGradientRequest& request) override {
    return enter([&] {
      require_read(request.prompts, prompt_fields_);
      const auto in_place = weights_in_place(Weights::kKept);
      return core::noise_gradient(generator(), adapter_.get(), rewards_, *prompts_, device_,
                                  spec_.train.memory_budget, request);
    });
  }
  void save_adapter(const std::filesystem::path& folder, Weights weights) override {
    enter([&] {
      const auto in_place = weights_in_place(weights);
      const Adapter& saved = adapter("save_adapter");
      require_finite(saved, "it is not saved");
      if (!is_lora(spec_.net.kind)) {
        save_noise_net(saved, shapes_.noise, shapes_.net_condition, folder);
        return;
      }
      std::vector<std::string> paths;
      for (const AdapterLayer& layer : generator_->layers(spec_.net.kind))
        paths.push_back(layer.name);
      save_peft(saved, paths, folder);
    });
  }
  void load_adapter(const std::filesystem::path& folder) override {
    enter([&] {
      Adapter& into = adapter("load_adapter");
      if (is_of_ours(folder)) {
        load_noise_net(into, shapes_.noise, shapes_.net_condition, folder, services_);
      } else if (is_peft_folder(folder)) {
        load_peft(into, folder);
      } else {
        const LoraFile file = read_lora(folder, generator_->layers(spec_.net.kind));
        report_lora(file, spec_.net.file_partial, services_);
        report_lora_gaps(file, put_lora(into, file), services_);
      }
      if (trainer_) trainer_->kept().begin_anew();
    });
  }
  void save_checkpoint(const std::filesystem::path& file) override {
    enter([&] {
      require_finite(adapter("save_checkpoint"), "no checkpoint is written");
      core::save_checkpoint(spec_, adapter("save_checkpoint"), trainer(), notes, file);
    });
  }
  void load_checkpoint(const std::filesystem::path& file) override {
    enter(
        [&] { notes = core::load_checkpoint(spec_, adapter("load_checkpoint"), trainer(), file); });
  }
  std::vector<double> lipschitz(const std::vector<Prompt>& prompts, std::uint64_t seed,
                                int iterations) override {
    return enter([&] {
      const auto in_place = weights_in_place(Weights::kKept);
      return core::lipschitz(generator(), adapter("lipschitz"), *prompts_, device_, prompts, seed,
                             iterations);
    });
  }
  std::vector<KlTerms> kl_terms(const KlRequest& request) override {
    return enter([&] {
      const auto in_place = weights_in_place(Weights::kKept);
      return core::kl_terms(generator(), adapter("kl_terms"), *prompts_, device_, request);
    });
  }

 private:
  void open() {
    check_spec(spec_);
    shapes_.device = {static_cast<DLDeviceType>(runtime_.stream.device_type),
                      runtime_.stream.device_id};
    prompts_ =
        std::make_unique<PromptCache>(spec_.prompt_cache_bytes, encode_batch(spec_, device_));
    if (spec_.generator.plugin.entry != nullptr) open_generator();
    for (const RewardSpec& reward : spec_.rewards) {
      services_.stop_if_cancelled("open");
      services_.progress("loading " + reward.name, rewards_.size() + 1, spec_.rewards.size() + 1);
      const at::Device device = reward_device(reward);
      rewards_.push_back(std::make_unique<RewardModel>(runtime_of(device), reward, device));
    }
    for (const auto& reward : rewards_) {
      ZerothOrder::require_trainable(*reward, spec_.train, spec_.net.kind);
      shapes_.used_bytes += reward->instance().used_bytes();
      prompt_fields_ |= reward->instance().prompt_fields();
    }
    if (generator_) ZerothOrder::require_policy(rewards_, spec_.train);
    if (generator_) prompt_fields_ |= generator_->instance().prompt_fields();
    require_read(spec_.train.prompts, prompt_fields_);
    require_whole_batches();
  }

  // A reward that mixes its samples sees a batch as a whole or it is another reward.
  void require_whole_batches() const {
    const std::int64_t micro = spec_.train.micro_batch;
    for (const auto& reward : rewards_)
      if (reward->score().mixes_samples() && reward->spec().train && generator_ && micro > 0 &&
          micro < spec_.train.batch)
        throw Error(HN_INVALID_ARGUMENT,
                    "[train] micro_batch: reward " + reward->spec().name +
                        " mixes the samples of its batch, so it needs micro_batch = 0 or " +
                        std::to_string(spec_.train.batch) + ", got " + std::to_string(micro));
  }

  // The option device, else the session's.
  at::Device reward_device(const RewardSpec& reward) const {
    const auto option = reward.options.find("device");
    if (option == reward.options.end()) return device_;
    return parse_device(std::get<std::string>(option->second));
  }
  // One runtime a device: its stream goes with every call of the plugins there.
  Runtime& runtime_of(at::Device device) {
    if (device == device_) return runtime_;
    for (const auto& [other, runtime] : other_runtimes_)
      if (other == device) return *runtime;
    auto made = std::make_unique<Runtime>(runtime_);
    made->stream = stream_of(device);
    made->determinism = determinism_on(device, spec_.deterministic);
    other_runtimes_.emplace_back(device, std::move(made));
    return *other_runtimes_.back().second;
  }

  void open_generator() {
    services_.stop_if_cancelled("open");
    services_.progress("loading " + spec_.generator.name, 0, spec_.rewards.size() + 1);
    generator_ = std::make_unique<GeneratorModel>(runtime_, spec_.generator, spec_.device);
    std::optional<LoraFile> file;
    const bool of_ours = !spec_.net.file.empty() && is_of_ours(spec_.net.file);
    if (of_ours) {
      spec_.net = read_noise_net(spec_.net.file, spec_.net);
    } else if (!spec_.net.file.empty()) {
      file = read_lora(spec_.net.file, generator_->layers(spec_.net.kind));
      report_lora(*file, spec_.net.file_partial, services_);
      spec_.net = lora_net(*file, spec_.net);
    }
    spec_.net = fit_net(*generator_, spec_.net);
    generator_->adapt(spec_.net);
    if (spec_.net.kind != NetKind::kNone)
      adapter_ = std::make_unique<Adapter>(net_parameters(*generator_, spec_.net), spec_.net,
                                           spec_.seed, device_, spec_.generator.name);
    if (file) report_lora_gaps(*file, put_lora(*adapter_, *file), services_);
    shapes_.noise = generator_->noise_shape();
    shapes_.image = generator_->image_shape();
    const double numbers = shape_numbers(shapes_.noise);
    shapes_.kl_target = KlControl::target(spec_, numbers);
    shapes_.steps = generator_->steps();
    shapes_.trainable = adapter_ ? adapter_->count() : 0;
    if (adapter_) shapes_.net_flops = net_flops(*generator_, *adapter_);
    if (spec_.net.kind == NetKind::kLowFrequency && spec_.net.condition == NetCondition::kPooled)
      shapes_.net_condition = generator_->embedding_size();
    if (of_ours)
      load_noise_net(*adapter_, shapes_.noise, shapes_.net_condition, spec_.net.file, services_);
    shapes_.used_bytes = generator_->instance().used_bytes();
  }
  // Whether an adapter's path is read as a noise network's folder: it is one, or has to be.
  bool is_of_ours(const std::filesystem::path& path) const {
    const NetKind kind = spec_.net.kind;
    return is_noise_net_folder(path) || (is_noise_net(kind) && !is_lora(kind));
  }
  GeneratorModel& generator() {
    if (!generator_)
      throw Error(HN_UNSUPPORTED, "[session] it was opened without a generator and only scores");
    return *generator_;
  }
  Adapter& adapter(const char* what) {
    if (!adapter_)
      throw Error(HN_UNSUPPORTED,
                  "[" + std::string(what) + "] the session was opened without an adapter");
    return *adapter_;
  }
  // Made when it is first wanted: sampling and scoring need no gradient buffers.
  Trainer& trainer() {
    if (!trainer_) {
      adapter("train");
      if (spec_.train.prompts.empty())
        throw Error(HN_INVALID_ARGUMENT, "[train] prompts: there are none");
      trainer_ =
          std::make_unique<Trainer>(spec_, *generator_, rewards_, *adapter_, *prompts_, device_);
    }
    return *trainer_;
  }
  // Before a training there is only what the adapter holds.
  WeightsInPlace weights_in_place(Weights weights) {
    return trainer_ ? WeightsInPlace(adapter_->values(), trainer_->kept().at(weights))
                    : WeightsInPlace();
  }
  void reclaim() {
    if (prompts_) prompts_->clear();
    if (generator_) generator_->instance().trim();
    for (const auto& reward : rewards_) reward->instance().trim();
  }

  SessionSpec spec_;
  at::Device device_;
  HostServices services_;
  Runtime runtime_;
  std::vector<std::pair<at::Device, std::unique_ptr<Runtime>>> other_runtimes_;  // of rewards
  Shapes shapes_;
  std::uint32_t prompt_fields_ = 0;  // that some plugin of the session reads
  // Destroyed from the bottom up: the trainer before the plugins, prompt handles before theirs.
  std::unique_ptr<GeneratorModel> generator_;
  std::vector<std::unique_ptr<RewardModel>> rewards_;
  std::unique_ptr<PromptCache> prompts_;
  std::unique_ptr<Adapter> adapter_;
  std::unique_ptr<Trainer> trainer_;
};

}  // namespace

std::unique_ptr<Session> open_session(SessionSpec spec, Services services) {
  return std::make_unique<CoreSession>(std::move(spec), std::move(services));
}

}  // namespace hn::core
