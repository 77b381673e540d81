// What a generator brings to the parity tests that all of them share: its random models, how one is
// loaded, its inputs, and where its golden file has what the reference made of them.
//
// One program a generator: parity_test.cpp and published_test.cpp here, and golden_test.cpp in the
// generator's own folder, which defines models(), make_case() and published().
#pragma once

#include <filesystem>
#include <hn/generator/pipeline.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/generator_client.hpp"
#include "support/parity.hpp"
#include "support/tensor_list.hpp"

namespace golden {

namespace fs = std::filesystem;

using Params = std::map<std::string, at::Tensor>;  // by slot name, in sorted order
using TensorList = std::vector<hn::ExpectedTensor>;

inline const fs::path kSource = HN_SOURCE_DIR;
inline constexpr double kTolerance = 1e-4;  // of the golden's largest magnitude, in float32

// A part of the folder with weights: makes the module that takes them, and says how many of its
// layers can carry a LoRA.
using Construct = std::size_t (*)(const fs::path& config, hn::WeightMap& weights);
const std::vector<std::pair<std::string, Construct>>& parts();
// The part that CLIP's text encoder is.
std::size_t construct_clip(const fs::path& config, hn::WeightMap& weights);
TensorList wanted(Construct construct, const fs::path& config);

// One comparison of the network alone.
struct NetworkStage {
  double time = 0;
  std::string key, grad_key;
};

// One random model of the generator.
class Case {
 public:
  virtual ~Case() = default;
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;

  const std::string& name() const { return name_; }
  const hn::test::GoldenFile& file() const { return file_; }
  const fs::path& folder() const { return folder_; }
  // The name that the golden file has for a stage's tensor.
  virtual std::string key(const std::string& stage) const { return stage; }
  bool has(const std::string& stage) const {
    return file_.has(key(stage)) || file_.has(key(stage) + ".probes");
  }

  virtual std::unique_ptr<hn::Pipeline> load(const hn::PipelineOptions& options) const = 0;
  virtual hn::test::Options options() const { return {}; }  // of every call
  virtual std::vector<std::int64_t> tokens(const hn::Pipeline& model,
                                           const std::string& prompt) const = 0;
  // The stage of each of a prompt's tensors, with the prompt's number behind.
  virtual std::map<std::string, std::string> text_stages() const { return {{"states", "text"}}; }
  virtual std::vector<NetworkStage> network_stages(const hn::Pipeline& model) const = 0;
  virtual at::Tensor network(const hn::Pipeline& model, const at::Tensor& x, double time,
                             const hn::PassContext& context) const = 0;

  // Whether the golden's tile and tile_stride count pixels, or latents.
  virtual bool tiles_in_pixels() const { return false; }

  // Of int8 weights against float32, for the noise network's gradient: what the rounding of each
  // layer has grown to behind all of them, with random weights.
  virtual double int8_gradient_tolerance() const { return 0.2; }

  // Inputs by name: noise, latent_cotangent, image_cotangent, image (in [0, 1]), encode_cotangent,
  // latents (to decode), tiles (to decode in tiles), tiles_cotangent, step_noise.N. Undefined where
  // there is none.
  virtual at::Tensor input(const std::string& what) const = 0;

  virtual std::vector<std::string> targets() const { return file_.texts("targets"); }
  // A matrix of the adapter, and the comparison of the gradients by all of them.
  virtual at::Tensor matrix(const std::string& slot, at::IntArrayRef shape) const = 0;
  virtual void compare_gradients(const std::string& stage, const Params& grads) const = 0;
  virtual std::int64_t tuned_steps() const { return 2; }

  // Finite differences: their step, and whether the `number`th matrix is one of those looked at.
  virtual double step() const { return 1e-6; }
  virtual bool differentiated(const std::string& slot, int number, const std::string& last) const {
    return number <= 4 || slot.starts_with(last);
  }

  // Compares with the golden, and notes the error in the program's table.
  void expect(const std::string& stage, const at::Tensor& got, const std::string& what,
              double tolerance = kTolerance) const;
  void record(const std::string& stage, double error, double tolerance) const;

 protected:
  Case(std::string name, const fs::path& goldens)
      : name_(std::move(name)), file_(goldens / name_ / "golden.safetensors") {}

  std::string name_;
  hn::test::GoldenFile file_;
  fs::path folder_;
};

// A model whose weights, inputs and adapter are computed from their names (counter_weights.hpp), in
// a folder of its own under the temporary one.
class ComputedCase : public Case {
 public:
  ~ComputedCase() override { fs::remove_all(folder_); }
  at::Tensor input(const std::string& what) const override;
  at::Tensor matrix(const std::string& slot, at::IntArrayRef shape) const override;
  void compare_gradients(const std::string& stage, const Params& grads) const override;
  std::vector<std::string> targets() const override;
  const std::vector<std::int64_t>& latents() const { return latents_; }

 protected:
  // lora_b: the size of the adapter's B. last: the output layer. The model "plain" is stored whole.
  ComputedCase(const std::string& name, const fs::path& goldens, double lora_b, std::string last);
  // Copies a file into the folder.
  void add(const fs::path& from, const std::string& to) const {
    fs::copy(from, folder_ / to, fs::copy_options::overwrite_existing);
  }
  // Of the latents; the rest is the autoencoder's configuration in the folder.
  void set_size(std::int64_t height, std::int64_t width);
  // Writes the weights of every part into the folder.
  void write_weights() const;

 private:
  double lora_b_;
  std::string last_;
  std::vector<std::int64_t> latents_, pixels_;
  double scaling_factor_ = 1;  // of the autoencoder
};

const std::vector<std::string>& models();
std::unique_ptr<Case> make_case(const std::string& model);

// A part of a published checkpoint.
struct Published {
  std::string part;          // one of parts()
  fs::path tensors, config;  // names and shapes; the configuration
  std::int64_t numbers = 0;  // parameters
  std::size_t layers = 0;    // that can carry a LoRA
  std::string prefix;        // that files may have in front of the names
  TensorList beside;         // what files with the prefix have beside the weights
  std::vector<std::string> ignored;
};
std::vector<Published> published();

// The table of errors that this program prints.
hn::test::ParityTable& table();

}  // namespace golden
