// What libhnhost asks of its core: the only header between them (with plugin_calls.hpp and
// prompt.hpp, which it includes). No LibTorch type, and no LibTorch in libhnhost.
//
// The core is the module libhnhost_core.so, opened on demand; it exports hnhost_core_v1 (below).
// Both come from one build, so C++ types may cross; failures are hn::Error.
#pragma once

#include <hn/plugin.h>
#include <hn/stream.h>
#include <hn/tensor.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <hn/cpp/error.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/plugin_calls.hpp"
#include "core/prompt.hpp"

namespace hn::core {

// Options for one plugin, by key; what config_* of hn_host_v1 answers from.
using OptionValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;
using Options = std::map<std::string, OptionValue>;

// Where a plugin runs. kAuto: as the host's policy says.
enum class Isolation { kAuto, kNone, kProcess, kSandbox };

// What the configuration says of it; the numbers are those of a worker process.
struct PluginPlace {
  Isolation isolation = Isolation::kAuto;
  double timeout_seconds = 1800;   // of one call, without a sign of life; 0: none
  std::uint64_t memory_bytes = 0;  // 0: no limit
  std::int64_t cpu_seconds = 0;    // 0: no limit
  std::int64_t threads = 0;        // of numeric libraries; 0: as in this process
};

// A plugin that the loader has checked and opened. entry stays valid for the life of the process
// (plugins are never unloaded).
struct Plugin {
  const hn_plugin_v1* entry = nullptr;
  std::string id;
  std::filesystem::path bundle;
  std::filesystem::path library = {};
  PluginPlace place = {};  // wanted, before it is opened
  Options options = {};    // for create, beside those of its spec: how its worker runs
};

struct GeneratorSpec {
  Plugin plugin;
  std::string name;  // as the user knows it: "emoji-sprint"
  Options options;   // device, dtype, weights, width, height, steps, ... without lora.*
};

// A score that says that a reward is broken, whatever the picture (its manifest's [[detectors]]).
struct ScoreAlarm {
  double score = 0, tolerance = 0;
  std::string means;
};

// Two forms of every prompt, each with one {} where its text goes.
struct RelativePrompts {
  std::string good, bad;
  bool operator==(const RelativePrompts&) const = default;
};

struct RewardSpec {
  Plugin plugin;
  std::string name;        // "clip-relative": the name of its curve
  std::string registered;  // "clip": what the registry knows it by
  Options options;
  double weight = 1;       // of the loss
  double loss_target = 0;  // loss = weight * (target - scale * score); a constant that shifts the
                           // curve, not the gradient
  double loss_scale = 1;
  bool train = true;  // false: only measured
  bool higher_is_better = true;
  // In training the reward runs at steps 1, 1 + every, 1 + 2 every, ...; 0: never, only score()
  // uses it. Where it runs its gradient is `every` times as large, so that the average stays.
  std::int64_t every = 1;
  // It sees the first so many samples of each optimiser batch; 0: all. Its gradient is that of the
  // mean over what it sees.
  std::int64_t batch = 0;
  // Pixels that the pictures are resized to before the reward sees them (SharedResize); 0: they
  // come as they are. Rewards of one number share the resized batch and the way back.
  std::int64_t resize = 0;
  // Its score is the difference between the two forms' (relative_reward.hpp).
  std::optional<RelativePrompts> relative;
  std::vector<ScoreAlarm> alarms;
};

// What happens when the smoothed score of a reward, usually one that is only measured, gets worse
// than a bound.
struct GuardSpec {
  std::string reward;           // its name among SessionSpec::rewards
  std::optional<double> bound;  // of the score
  std::optional<double> drop;   // or: by how much it may get worse than at the start
  bool stop = true;             // false: the weights of all trained rewards are lowered
  double factor = 0.5;          // by which they are lowered, each time
};

// What is trained. kHypernet, kLowFrequency and kConstant are noise networks: they add delta =
// f(x0, prompt) to the noise (core/noise_net.hpp). kFinetune: the LoRA of kHypernet on `generate`
// itself, without a KL term.
enum class NetKind { kNone, kHypernet, kFinetune, kLowFrequency, kConstant };
constexpr bool is_noise_net(NetKind kind) {
  return kind != NetKind::kNone && kind != NetKind::kFinetune;
}
constexpr bool is_lora(NetKind kind) {
  return kind == NetKind::kHypernet || kind == NetKind::kFinetune;
}
// As configurations, files and messages name them.
inline constexpr std::array<std::pair<std::string_view, NetKind>, 5> kNetKindNames = {
    {{"hypernet", NetKind::kHypernet},
     {"low-frequency", NetKind::kLowFrequency},
     {"constant", NetKind::kConstant},
     {"finetune", NetKind::kFinetune},
     {"none", NetKind::kNone}}};
// What the network of kLowFrequency is told of the prompt: the generator's pooled embedding
// (hn.cond/1). kAuto: where there is one.
enum class NetCondition { kAuto, kPooled, kNone };
inline constexpr std::array<std::pair<std::string_view, NetCondition>, 3> kNetConditionNames = {
    {{"auto", NetCondition::kAuto},
     {"pooled", NetCondition::kPooled},
     {"none", NetCondition::kNone}}};
template <class Enum, std::size_t N>
std::string name_of(Enum value, const std::array<std::pair<std::string_view, Enum>, N>& names) {
  for (const auto& [name, each] : names)
    if (each == value) return std::string(name);
  return {};
}
inline std::string name_of(NetKind kind) { return name_of(kind, kNetKindNames); }
inline std::string name_of(NetCondition condition) {
  return name_of(condition, kNetConditionNames);
}
struct NetSpec {
  NetKind kind = NetKind::kHypernet;
  std::int64_t rank = 16;  // this and what follows: of the LoRA
  double alpha = 32;
  std::vector<std::string> targets;  // empty: every linear layer
  // B of a grouped convolution as [out, rank, 1, 1], as peft wrote it until June 2025.
  bool dense_groups = false;
  // An adapter to begin with, a LoRA file or folder or the folder of a noise network of our own:
  // what it says of its shape (rank, alpha, targets, dense_groups; frequencies, ...) is then taken
  // from it.
  std::filesystem::path file;
  bool file_partial = false;  // keys that fit nothing are a warning, not an error
  // Of kLowFrequency: the lowest frequencies x frequencies coefficients of each channel, hidden
  // layers of `width` numbers, `depth` of them.
  std::int64_t frequencies = 4, width = 128, depth = 2;
  NetCondition condition = NetCondition::kAuto;
};

enum class Regulariser {
  kMean,
  kPaper,
  kNorm
};  // reg * 0.5 * mean(delta^2) | reg * 0.5 * sum(delta^2) | ReNO's norm term
enum class LatentMode { kInf, kBatch, kMulti, kOne };
enum class Optimiser { kAdamW, kSgd };
enum class Schedule { kConstant, kLinear, kCosine };
enum class NonFinite { kStop, kSkip };
// When a plugin is gone in a step (HN_UNAVAILABLE, HN_DEADLINE): its worker crashed or did not
// answer, a service cannot be reached.
enum class Unavailable { kStop, kRepeat, kSkip };
// The same bits for the same seed on the same machine. kAuto: asked of every plugin on the CPU, and
// where one refuses, a warning; kYes: a refusal is an error; kNo: never asked.
enum class Determinism { kAuto, kYes, kNo };

inline constexpr double kAutoKlTarget = -1;

struct TrainSpec {
  std::vector<Prompt> prompts;
  std::int64_t steps = 100, batch = 16, accumulation = 1;
  Optimiser optimiser = Optimiser::kAdamW;
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0.9;
  std::int64_t warmup = 10;
  Schedule schedule = Schedule::kConstant;
  double decay_from =
      0.6;  // share of the steps after which kLinear and kCosine fall, to decay_to * lr
  double decay_to = 0.05;
  double clip = 1.0;  // of the global gradient norm; 0 = none
  // A step whose gradient norm is more than so many times its running norm counts the less, the
  // farther out it is (GradientWatch); 0 = off.
  double outlier = 0;
  // The rewards' gradient with respect to one sample's noise is cut where its norm is more than so
  // many times the samples' running geometric mean (SampleWatch); 0 = off.
  double sample_outlier = 0;
  // Pairs of noises by which rewards without a gradient are trained on (ZerothOrder), and how far
  // from the noise they lie; 0 = such rewards are refused.
  std::int64_t zeroth_order = 0;
  double zeroth_order_sigma = 0.3;
  // Steps that use the same samples and scores (NoisePolicy), and how far a draw's likelihood may
  // move before it counts no more; 1 = each step draws its own.
  std::int64_t policy_epochs = 1;
  double policy_clip = 0.2;
  Regulariser reg = Regulariser::kMean;
  double reg_weight = 1.0;
  // 0.5 sum(delta^2) a sample that is not to be exceeded for long: reg_weight rises while it is
  // (KlControl), and a run that is away from it goes back; 0 = no target, kAutoKlTarget = the
  // default for the noise's size.
  double kl_target = 0;
  // Of the running average of the adapter's numbers (KeptWeights); 0 = no average.
  double ema = 0;
  // Going back to the kept state: the learning rate is multiplied by this, at most max_returns
  // times, then the training stops.
  double return_factor = 0.5;
  std::int64_t max_returns = 3;
  LatentMode latents = LatentMode::kInf;
  std::int64_t latent_count = 16;  // of kMulti
  NonFinite non_finite = NonFinite::kStop;
  Unavailable unavailable = Unavailable::kRepeat;
  std::int64_t max_skips = 20;   // in a row, then stop all the same
  std::int64_t max_repeats = 3;  // of one step, then stop all the same
  std::int64_t micro_batch = 0;  // 0 = batch; smaller saves memory, same gradients
  // Bytes that generator and noise network keep between forward and backward of one micro batch; 0
  // = no limit. Below it they compute again: the same results, on the CPU bit for bit.
  std::uint64_t memory_budget = 0;
  bool reward_normalise = false;  // every score less its running mean, over its running deviation
  std::int64_t watch = 20;        // steps over which a reward is looked at for constants; 0 = never
  std::vector<GuardSpec> guards;
};

struct SessionSpec {
  GeneratorSpec generator;  // plugin.entry NULL: none is opened, and only score() works
  std::vector<RewardSpec> rewards;
  NetSpec net;
  TrainSpec train;
  std::string device = "cpu";
  std::uint64_t seed = 0;
  int threads = 0;  // 0 = all cores
  Determinism deterministic = Determinism::kAuto;
  std::uint64_t prompt_cache_bytes = 256u << 20;
  // The queue of the device that the caller's tensors are ordered on; device_type 0: LibTorch's
  // default stream there.
  hn_stream stream{0, 0, 0};
};

// What the core may ask back; every function may be called from any thread. Empty functions are
// allowed.
struct Services {
  std::function<void(std::int32_t level, std::string_view text)> log;
  std::function<bool()> cancelled;
  std::function<void(std::string_view what, std::uint64_t done, std::uint64_t total)> progress;
  PluginCalls* plugin_calls = nullptr;  // where calls into plugins are told; null: nowhere
};

// A tensor of the caller's, borrowed for the call: float32, strides given and not below 0, on the
// CPU or on the session's device. The one who passes it has checked all but the shape.
using Borrowed = const DLTensor*;

struct Shapes {
  std::vector<std::int64_t> noise;  // [C,h,w]
  std::vector<std::int64_t> image;  // [3,H,W]
  std::int64_t steps = 1;           // of generate
  std::uint64_t trainable = 0;      // numbers in the adapter
  std::uint64_t used_bytes = 0;     // as the plugins report it (hn.memory/1)
  double kl_target = 0;             // that training holds; 0: none
  DLDevice device{kDLCPU, 0};       // that the session runs on
  // Floating-point operations of one sample's delta, an addition and a multiplication each one;
  // nothing where they are not known (a LoRA's are the plugin's) or there is no noise network.
  std::optional<std::uint64_t> net_flops = {};
  std::int64_t net_condition = 0;  // numbers of the pooled embedding that the noise network reads
};

// Which numbers of the adapter: as the optimiser left them, their running average, or what the
// training is for: the best state where one was kept, else the average. Without an average (ema 0)
// kAverage is kTrained.
enum class Weights { kKept, kTrained, kAverage };

// A state that was found better than those before it.
struct BestState {
  std::uint64_t step = 0;
  double objective = 0;  // greater is better; the caller's
};

struct StepReport {        // one optimiser step; means over its samples
  std::uint64_t step = 0;  // after it: 1 is the first
  // In SessionSpec order, raw scores; NaN for a reward that did not run in this step.
  std::vector<double> rewards;
  double reward = 0;  // sum of weight * loss_scale * score, with the last score of what did not run
  double kl = 0;      // 0.5 * sum(delta^2) per sample: the paper's term, whatever the regulariser
  double delta_rms = 0;
  double loss = 0, grad_norm = 0, lr = 0, seconds = 0;
  double reg_weight = 0;      // in force: TrainSpec's, raised where kl_target asks for it
  double gradient_share = 1;  // below 1: the gradient was an outlier
  std::uint64_t probes = 0;   // pictures drawn for rewards without a gradient alone
  std::string went_back;      // why, where this step ended with a return to the kept state
  bool skipped = false;
  std::string why;  // "reward clip: nan at sample 3 (prompt ...)"
  // Of rewards that look broken or do not answer, and of guards.
  std::vector<std::string> warnings;
  double reward_factor = 1;  // what guards have left of the rewards' weights
};

// In place of the request's and the result's own memory; NULL: none. What is written to is written
// when everything has been computed and is finite, never in part.
struct SampleTensors {
  Borrowed noise = nullptr, step_noise = nullptr;                 // read
  Borrowed images = nullptr, latents = nullptr, delta = nullptr;  // written, whatever want_* says
};
struct SampleRequest {
  std::vector<Prompt> prompts;
  std::optional<Tensor>
      noise;  // [B,C,h,w]; else drawn from seed: sample i is the same whatever the batch
  std::optional<Tensor> step_noise;  // [n-1,B,C,h,w]
  std::uint64_t seed = 0;
  std::int64_t batch = 16;
  bool adapted = true;  // false: without the noise network or fine-tune (the "before" picture)
  // x = x0 + strength * f(x0, prompt), and delta is what was added. HN_UNSUPPORTED other than 1 for
  // a fine-tune.
  double strength = 1;
  Weights weights = Weights::kKept;
  bool want_images = true, want_latents = false, want_delta = false, want_noise = false;
  SampleTensors tensors = {};
};
struct SampleResult {
  Tensor images;   // [B,3,H,W] in [0,1]
  Tensor latents;  // [B,C,h,w]
  Tensor delta;    // [B,C,h,w]
  Tensor noise;    // [B,C,h,w] as used
};

// As SampleTensors.
struct ScoreTensors {
  Borrowed images = nullptr;      // read, in place of ScoreRequest::images
  Borrowed scores = nullptr;      // written, [B]
  Borrowed columns = nullptr;     // written, [K,B] as RewardTraits::columns lists them
  Borrowed image_grad = nullptr;  // written, whatever want_grad says
};
struct ScoreRequest {
  Tensor images;                // [B,3,H,W] in [0,1], finite
  std::vector<Prompt> prompts;  // B, or none when no reward reads them
  std::size_t reward = 0;       // index into SessionSpec::rewards
  std::int64_t batch = 16;
  bool want_grad = false;
  // A picture or prompt that the reward cannot answer, and a score or gradient that is not finite,
  // is a reason in ScoreResult::missing instead of an error.
  bool partial = false;
  bool unchecked = false;  // what is not finite comes back as it is, for whoever looks for it
  ScoreTensors tensors = {};
};
struct ScoreResult {
  std::vector<float> scores;                          // [B]
  std::map<std::string, std::vector<float>> columns;  // the reward's further outputs
  Tensor image_grad;                                  // d score_b / d image_b, the images' shape
  // Of a partial request: why picture i has no score (it is NaN then, its gradient 0). The text
  // begins with the reward's name.
  std::map<std::size_t, std::string> missing;
};

// The reward of given noises and its derivative by them, through generate and the rewards' scores.
struct NoiseGradientRequest {
  std::vector<Prompt> prompts;       // B
  Tensor noise;                      // [B,C,h,w], finite: what generate gets
  std::optional<Tensor> step_noise;  // [n-1,B,C,h,w]; needed where generate takes it
  // One a reward of the session: value_b = sum_k weight_k score_kb. 0: the reward does not run.
  std::vector<double> weights;
  std::uint64_t seed = 0;  // of what generate draws itself; sample b draws with number b
  std::int64_t batch = 16;
  bool adapted = true;  // a fine-tune acts on generate; a noise network is never applied here
  bool want_images = false;
};
struct NoiseGradientResult {
  std::vector<double> values;              // [B]
  std::vector<std::vector<float>> scores;  // [K][B], raw; NaN for a reward that did not run
  Tensor grad;                             // [B,C,h,w]: d value_b / d noise_b
  Tensor images;                           // [B,3,H,W] in [0,1], where wanted
};

// The KL divergence of x0 + f(x0) from N(0, I), term by term (core/kl_terms.hpp).
struct KlRequest {
  std::vector<Prompt> prompts;  // B; sample b has the evaluation noise number b of the seed
  std::uint64_t seed = 0;
  // 0: the whole Jacobian, as many backward passes as a noise has numbers, and its determinant;
  // else random probes of its powers' traces up to `order`.
  std::int64_t probes = 0, order = 8;
};
struct KlTerms {           // of one sample; J = df/dx0
  double half_square = 0;  // 0.5 |f|^2: what training bounds the divergence by
  double inner = 0;        // x0 . f, whose mean is that of the trace
  double trace = 0;        // tr J
  double log_det = 0;      // log |det(I + J)|
  double remainder = 0;    // size of the last term of log_det's series; 0 of the whole Jacobian
  bool turned = false;     // det(I + J) < 0: x0 + f(x0) cannot be inverted
};

// The failures of one sample: a prompt or a picture that a plugin cannot answer. Any other code
// says that the plugin or the machine is broken, and ends the work.
inline bool concerns_one_sample(hn_status code) {
  return code == HN_INVALID_ARGUMENT || code == HN_UNSUPPORTED || code == HN_NOT_FOUND ||
         code == HN_DATA_LOSS;
}

// What only the opened reward knows.
struct RewardTraits {
  std::vector<std::string> columns;  // names of its further outputs, in the plugin's order
  bool reads_prompts = false, differentiable = false;
};

// Short texts by key that travel with a checkpoint; their meaning is the host's.
using Notes = std::map<std::string, std::string>;

// One model with its rewards and its trainable adapter. Used by one thread at a time.
class Session {
 public:
  virtual ~Session() = default;

  // Kept by save_checkpoint(), replaced by load_checkpoint().
  Notes notes;

  virtual const Shapes& shapes() const = 0;
  virtual std::uint64_t step() const = 0;
  // reward: index into SessionSpec::rewards.
  virtual RewardTraits traits(std::size_t /*reward*/) const { return {}; }
  // What can be known before the first step; train_step() does it when nobody has.
  // HN_INVALID_ARGUMENT names training prompts that a trained reward cannot answer.
  virtual void prepare_training() {}
  // One optimiser step. HN_CANCELLED leaves the state before the step; HN_INVALID_ARGUMENT names
  // what was not finite.
  virtual StepReport train_step() = 0;
  // Why a guard or too many returns ended the training, or nothing. Kept in checkpoints;
  // train_step() refuses then.
  virtual std::string stopped() const { return {}; }
  // The average becomes the best state; part of checkpoints. HN_INVALID_ARGUMENT for an objective
  // that is not finite.
  virtual void keep_best(double /*objective*/) {}
  virtual std::optional<BestState> best() const { return std::nullopt; }
  // The kept state is trained on from here, at a lower rate (return_factor), with a new optimiser
  // and a new warm-up; after max_returns the training is stopped, with `why`.
  virtual void go_back(const std::string& /*why*/) {}
  // Noise that is not finite: HN_INVALID_ARGUMENT; delta, latents or pictures: HN_DATA_LOSS. Both
  // name the sample and its prompt.
  virtual SampleResult sample(const SampleRequest&) = 0;
  // Unless partial: HN_DATA_LOSS names the score or gradient that is not finite.
  virtual ScoreResult score(const ScoreRequest&) = 0;
  // HN_UNSUPPORTED names a generator without a gradient by its noise, or a reward of weight other
  // than 0 that is score-only; HN_INVALID_ARGUMENT a request that does not fit (shapes, numbers
  // that are not finite, no weight); HN_DATA_LOSS a picture, score or gradient that is not finite.
  virtual NoiseGradientResult noise_gradient(const NoiseGradientRequest&) {
    throw Error(HN_UNSUPPORTED, "[noise_gradient] this session has none");
  }
  // Of a LoRA a PEFT folder: adapter_model.safetensors and adapter_config.json; of the other noise
  // networks noise_net.safetensors and noise_net.json. Written atomically. An adapter that is not
  // finite is neither saved nor kept in a checkpoint: HN_DATA_LOSS names its matrix. A folder of
  // another kind of network is HN_INVALID_ARGUMENT.
  virtual void save_adapter(const std::filesystem::path& folder,
                            Weights weights = Weights::kKept) = 0;
  virtual void load_adapter(const std::filesystem::path& folder) = 0;
  // One file with everything that an exact resume needs (adapter, optimiser, step, random state);
  // replaced atomically.
  virtual void save_checkpoint(const std::filesystem::path& file) = 0;
  virtual void load_checkpoint(const std::filesystem::path& file) = 0;
  // The largest singular value of df/dx0 by power iteration on vjps, for each of the prompts (the
  // paper's L < 1).
  virtual std::vector<double> lipschitz(const std::vector<Prompt>& prompts, std::uint64_t seed,
                                        int iterations) = 0;
  // HN_UNSUPPORTED without a noise network, or where its plugin has no gradient by the noise;
  // HN_INVALID_ARGUMENT names probes below 0 or an order below 1.
  virtual std::vector<KlTerms> kl_terms(const KlRequest&) {
    throw Error(HN_UNSUPPORTED, "[kl_terms] this session has none");
  }
};

}  // namespace hn::core

// The one symbol of the core module.
struct hnhost_core_v1 {
  const char* libtorch_build_id;  // the build id that the core was linked with
  std::unique_ptr<hn::core::Session> (*open_session)(hn::core::SessionSpec, hn::core::Services);
};
#define HNHOST_CORE_ENTRY "hnhost_core_entry_v1"
