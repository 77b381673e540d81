// my_generator: the model of model.hpp as a plugin with the two functions of a generator, generate
// and noise_net.
//
// Read from the bottom up: MyGenerator is what the host creates, Generate and NoiseNet are what it
// opens and calls. Values and gradients cross as tensors; everything that could change a result is
// an argument of the call.
#include <hn/cpp/plugin.hpp>
#include <hn/torch/device.hpp>
#include <hn/torch/function.hpp>

#include "model.hpp"

namespace {

using my_generator::kChannels;
using my_generator::kHidden;
using my_generator::kScale;
using my_generator::kSize;
using my_generator::Lora;
using my_generator::Model;

// One encoded prompt. The host keeps these under a byte budget and passes them to calls.
struct Encoded final : hn::Cond {
  explicit Encoded(at::Tensor v) : vector(std::move(v)) {}
  std::uint64_t size_bytes() const override { return sizeof *this + vector.nbytes(); }
  at::Tensor vector;  // [12]
};

// What both functions share: the adapters' slots and the prompts of a call.
class Adapted : public hn::TorchFunction {
 protected:
  Adapted(const Model& model, const hn::Config& config)
      : model_(model),
        rank_(config.i64("lora.rank", 0)),
        alpha_(config.f64("lora.alpha", 2.0 * static_cast<double>(rank_))) {
    flags_ = HN_FN_NEEDS_COND;
    inputs_ = {{"noise", "noise", {HN_DIM_BATCH, kChannels, kSize, kSize}, HN_SLOT_DIFF}};
    if (rank_ < 0)
      throw hn::Error(HN_INVALID_ARGUMENT, "[my_generator] expected lora.rank of 0 or more, got " +
                                               std::to_string(rank_));
    // The host owns and trains the LoRA matrices; here they are inputs. PEFT's names, so that
    // Python can read an adapter.
    for (const std::string& name : targets(config)) {
      const bool first = name == "in";
      const std::int64_t from = first ? kChannels : kHidden, to = first ? kHidden : kChannels;
      inputs_.push_back(
          {name + ".lora_A.weight", "lora_a", {rank_, from}, HN_SLOT_PARAM | HN_SLOT_DIFF});
      inputs_.push_back(
          {name + ".lora_B.weight", "lora_b", {to, rank_}, HN_SLOT_PARAM | HN_SLOT_DIFF});
    }
  }

  bool adapts(const std::string& name) const { return index_of(name) != 0; }
  Lora lora(const std::string& name, const std::vector<at::Tensor>& in) const {
    const std::size_t i = index_of(name);
    return i == 0 ? Lora{} : Lora{in[i], in[i + 1], alpha_ / static_cast<double>(rank_)};
  }
  // [B,12], or [1,12] when one prompt serves all samples.
  at::Tensor prompts(const hn::Call& call) const {
    if (call.batch() == 0) return at::zeros({0, kHidden});
    std::vector<at::Tensor> rows;
    for (std::int64_t b = 0; b < (call.shared_cond() ? 1 : call.batch()); ++b)
      rows.push_back(call.cond<Encoded>(b).vector);
    return at::stack(rows);
  }

  const Model& model_;

 private:
  std::vector<std::string> targets(const hn::Config& config) const {
    if (rank_ == 0) return {};
    const auto names = config.list("lora.targets");
    for (const std::string& name : names)
      if (name != "in" && name != "out")
        throw hn::Error(HN_INVALID_ARGUMENT,
                        "[my_generator] lora.targets: expected in or out, got " + name);
    return names.empty() ? std::vector<std::string>{"in", "out"} : names;
  }
  // Of lora_A's slot; 0, which is the noise, when the layer carries none.
  std::size_t index_of(const std::string& name) const {
    for (std::size_t i = 1; i < inputs_.size(); ++i)
      if (inputs_[i].name == name + ".lora_A.weight") return i;
    return 0;
  }

  std::int64_t rank_;
  double alpha_;
};

class Generate final : public Adapted {
 public:
  Generate(const Model& model, const hn::Config& config) : Adapted(model, config) {
    outputs_ = {{"image_rgb01",
                 "image_rgb01",
                 {HN_DIM_BATCH, 3, kSize * kScale, kSize * kScale},
                 HN_SLOT_DIFF},
                {"latents",
                 "latents",
                 {HN_DIM_BATCH, kChannels, kSize, kSize},
                 HN_SLOT_DIFF | HN_SLOT_OPTIONAL}};
  }

 protected:
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& in, const hn::Call& call) override {
    const at::Tensor latents =
        model_.denoise(in[0], prompts(call), lora("in", in), lora("out", in));
    return {model_.decode(latents), latents};
  }
};

class NoiseNet final : public Adapted {
 public:
  NoiseNet(const Model& model, const hn::Config& config) : Adapted(model, config) {
    if (!adapts("out"))
      throw hn::Error(
          HN_INVALID_ARGUMENT,
          "[noise_net] expected lora.rank above 0 and the layer out among lora.targets: its LoRA "
          "branch is all that the noise network gives");
    outputs_ = {{"offset", "offset", {HN_DIM_BATCH, kChannels, kSize, kSize}, HN_SLOT_DIFF}};
  }

 protected:
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& in, const hn::Call& call) override {
    return {model_.offset(in[0], prompts(call), lora("in", in), lora("out", in))};
  }
};

class MyGenerator final : public hn::Instance {
 public:
  // The host passes `weights`: the folder of the manifest's [[models]], or the user's own.
  MyGenerator(const hn::Host& host, const hn::Config& config)
      : Instance(host), model_(weights_file(config)) {
    if (!hn::device_from(config).is_cpu())
      throw hn::Error(HN_UNSUPPORTED, "[my_generator] runs on the CPU only");
    check_size(config);
  }

  std::unique_ptr<hn::Function> open(std::string_view name, const hn::Config& config) override {
    if (name == "generate") return std::make_unique<Generate>(model_, config);
    if (name == "noise_net") return std::make_unique<NoiseNet>(model_, config);
    throw unknown_function(name);
  }

  bool has_cond() const override { return true; }
  std::vector<std::unique_ptr<hn::Cond>> encode(std::span<const hn::Prompt> prompts,
                                                hn_stream) override {
    std::vector<std::unique_ptr<hn::Cond>> handles;
    for (const hn::Prompt& prompt : prompts)
      handles.push_back(std::make_unique<Encoded>(Model::embed(prompt.text())));
    return handles;
  }

  // hn.adapter/1: what lora.targets may name.
  bool has_adapters() const override { return true; }
  const std::vector<hn::LayerSpec>& layers(std::string_view function) override {
    if (function != "generate" && function != "noise_net") throw unknown_function(function);
    return layers_;
  }

  std::vector<hn::MemoryUse> memory_use() const override { return {{{kDLCPU, 0}, model_.bytes()}}; }

 private:
  // It makes pictures of one size: another one is refused, not passed over.
  static void check_size(const hn::Config& config) {
    for (const char* key : {"width", "height"})
      if (config.i64(key, kSize * kScale) != kSize * kScale)
        throw hn::Error(HN_UNSUPPORTED, std::string("[my_generator] expected ") + key + " = " +
                                            std::to_string(kSize * kScale) + ", got " +
                                            std::to_string(config.i64(key, 0)));
  }
  static std::filesystem::path weights_file(const hn::Config& config) {
    const auto folder = config.find_str("weights");
    if (!folder)
      throw hn::Error(HN_INVALID_ARGUMENT,
                      "[my_generator] expected the option weights: a folder with model.txt");
    return std::filesystem::path(*folder) / "model.txt";
  }

  Model model_;
  std::vector<hn::LayerSpec> layers_ = {{"in", HN_LAYER_LINEAR, kChannels, kHidden, 1, 1, 1},
                                        {"out", HN_LAYER_LINEAR, kHidden, kChannels, 1, 1, 1}};
};

}  // namespace

HN_PLUGIN(MyGenerator, "org.example.generator.my_generator", "0.1.0");
