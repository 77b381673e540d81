// SANA-Sprint's memory options through its ABI: budgets, plans, tiles, quantised weights, text
// encoders that are freed, prompts on disk.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <hn/cpp/client.hpp>
#include <hn/nn/byte_count.hpp>
#include <iomanip>
#include <iostream>

#include "unit/generator_support.hpp"

namespace hn::test {
namespace {

using I = std::int64_t;
const std::vector<std::string> kPrompts{"a red apple on a table", "two blue cats"};

class SanaSprint : public Generator {
 public:
  explicit SanaSprint(const Options& options = {{"weights", kEmoji.string()}})
      : Generator("sana_sprint", options) {}
  static Outcome try_create(const Options& options) {
    return Generator::try_create("sana_sprint", options);
  }
};

Options emoji(Options more = {}) {
  more["weights"] = kEmoji.string();
  return more;
}

double relative(const at::Tensor& got, const at::Tensor& want) {
  return ((got - want).norm() / want.norm()).item<double>();
}

// One function with inputs for a batch, and what its forward keeps.
struct Case {
  Case(Generator& generator, const std::string& name, const Options& options, I batch)
      : opened(generator, name, options) {
    at::manual_seed(3);
    for (const auto& slot : opened.in)
      inputs.push_back(at::randn(Opened::with_batch(slot.shape, batch)) *
                       (slot.semantic == "noise" || slot.semantic == "step_noise" ? 1 : 0.05));
    for (const auto& slot : opened.out)
      cotangents.push_back(at::randn(Opened::with_batch(slot.shape, batch)));
    opened.around_forward = [this](const std::function<void()>& forward) {
      const ByteCount count;
      forward();
      kept = count.live();
    };
  }
  Opened::Result run(std::uint64_t budget) {
    opened.saved_budget = budget;
    return opened.run(inputs, cotangents);
  }

  Opened opened;
  std::vector<at::Tensor> inputs, cotangents;
  std::uint64_t kept = 0;
};

std::vector<std::pair<std::string, Options>> functions() {
  return {{"noise_net", {{"lora.rank", I{4}}, {"width", I{128}}, {"height", I{96}}}},
          {"generate", {{"width", I{128}}, {"height", I{96}}}},
          {"generate", {{"steps", I{2}}, {"lora.rank", I{4}}, {"width", I{96}}}},
          {"decode", {{"width", I{128}}}},
          {"encode", {{"width", I{128}}}}};
}

void expect_same(const Opened::Result& got, const Opened::Result& want) {
  ASSERT_EQ(got.outcome.text, "");
  for (std::size_t i = 0; i < want.outputs.size(); ++i)
    EXPECT_TRUE(at::equal(got.outputs[i], want.outputs[i])) << "output " << i;
  for (std::size_t i = 0; i < want.grads.size(); ++i)
    EXPECT_TRUE(at::equal(got.grads[i], want.grads[i])) << "gradient " << i;
}

TEST(SanaMemory, ABudgetIsKeptAndChangesNoBit) {
  SanaSprint g;
  g.prompts(kPrompts);
  for (const auto& [name, options] : functions()) {
    SCOPED_TRACE(name);
    Case c(g, name, options, 2);
    const auto full = c.run(0);
    const std::uint64_t all = c.kept;
    expect_same(c.run(all + 4096), full);  // nothing is known: all blocks again
    const std::uint64_t least = c.kept;
    EXPECT_LT(least * 2, all);
    for (const double share : {0.0, 0.3, 0.7, 1.0}) {
      const auto budget =
          least + static_cast<std::uint64_t>(share * static_cast<double>(all - least));
      expect_same(c.run(budget), full);
      EXPECT_LE(c.kept, budget) << share;
      if (share == 1.0) {
        EXPECT_GT(c.kept, all / 2) << "room is used";
      }
    }
    std::cout << name << ": keeps " << all << " bytes, at the least " << least << '\n';
  }
}

TEST(SanaMemory, ABudgetThatIsTooSmallNamesTheLeast) {
  SanaSprint g;
  g.prompts(kPrompts);
  Case c(g, "noise_net", {{"lora.rank", I{4}}}, 2);
  const auto refused = c.run(1000);
  EXPECT_EQ(refused.outcome.status, HN_INVALID_ARGUMENT);
  EXPECT_THAT(refused.outcome.text, testing::HasSubstr("saved_budget_bytes: expected at least "));
  EXPECT_THAT(refused.outcome.text, testing::HasSubstr("for this call, got 1000"));
  const std::string text = refused.outcome.text;
  const auto least = std::stoull(text.substr(text.find("at least ") + 9));
  EXPECT_EQ(c.run(least).outcome.status, HN_OK) << "the least that was named is enough";
}

TEST(SanaMemory, PlansAreWithinAFactorOfWhatIsMeasured) {
  constexpr double kFactor = 1.5;  // stated in docs/memory.md
  SanaSprint g;
  g.prompts(kPrompts);
  for (const auto& [name, options] : functions()) {
    SCOPED_TRACE(name);
    Case c(g, name, options, 2);
    const hn_plan plan = c.opened.plan(c.inputs);
    ASSERT_EQ(c.run(0).outcome.text, "");
    const double ratio = static_cast<double>(plan.saved_bytes) / static_cast<double>(c.kept);
    EXPECT_LE(ratio, kFactor);
    EXPECT_GE(ratio, 1 / kFactor);
    EXPECT_GE(plan.peak_bytes, plan.saved_bytes);
    c.opened.saved_budget = plan.saved_bytes / 3;
    const hn_plan tight = c.opened.plan(c.inputs);
    EXPECT_LT(tight.peak_bytes, plan.peak_bytes);
    EXPECT_LE(tight.saved_bytes, plan.saved_bytes);
    std::cout << name << ": planned " << plan.saved_bytes << ", measured " << c.kept
              << "; peak planned " << plan.peak_bytes << '\n';
  }
}

TEST(SanaMemory, NoiseNetGeneratorAndFineTuneShareOneCopyOfTheWeights) {
  SanaSprint g;
  const std::uint64_t before = hn::used_bytes(*g.memory, g.instance);
  EXPECT_GT(before, 8u << 20) << "nine million numbers";
  const ByteCount count;
  Opened net(g, "noise_net", {{"lora.rank", I{8}}}), generate(g, "generate"),
      tuned(g, "generate", {{"lora.rank", I{8}}}), decode(g, "decode");
  EXPECT_EQ(hn::used_bytes(*g.memory, g.instance), before);
  EXPECT_LT(count.peak(), 64u << 10) << "no weights are copied by opening functions";
}

TEST(SanaMemory, WeightsOfTheFilesTypeAreNotCopied) {
  // The embedded files hold bfloat16: loaded so, only what is laid out anew for convolutions, and
  // the folded shortcuts, are new memory.
  const ByteCount count;
  const SanaSprint same(emoji({{"dtype", std::string("bfloat16")}}));
  const std::uint64_t taken = count.live();
  EXPECT_LT(taken, hn::used_bytes(*same.memory, same.instance) / 2);
  std::cout << "bfloat16: " << hn::used_bytes(*same.memory, same.instance) << " bytes of weights, "
            << taken << " allocated\n";
}

TEST(SanaMemory, TilesNeedLessAndAreClose) {
  const Options large{{"width", I{256}}, {"height", I{192}}};
  SanaSprint whole, tiled(emoji({{"vae_tile", I{64}}}));
  Case a(whole, "decode", large, 1), b(tiled, "decode", large, 1);
  const auto one = a.run(0), two = b.run(0);
  ASSERT_EQ(two.outcome.text, "");
  EXPECT_LT(b.kept * 4, a.kept);
  // The decoder's attention sees a tile instead of the picture: alike, not equal.
  EXPECT_LT(relative(two.outputs[0], one.outputs[0]), 0.2);
  EXPECT_GT(two.grads[0].norm().item<double>(), 0);
  std::cout << "decode of 256 x 192: keeps " << a.kept << ", in tiles of 64 " << b.kept << '\n';
  for (const auto& [key, value, text] : std::vector<std::tuple<std::string, I, std::string>>{
           {"vae_tile", 60, "multiple of 8, got 60"}, {"vae_tile", -8, "got -8"}}) {
    const Outcome got = SanaSprint::try_create(emoji({{key, value}}));
    EXPECT_EQ(got.status, HN_INVALID_ARGUMENT);
    EXPECT_THAT(got.text, testing::HasSubstr(text));
  }
}

TEST(SanaMemory, QuantisedWeightsAreSmallAndCloseWithGradients) {
  SanaSprint exact;
  exact.prompts(kPrompts);
  Case net(exact, "noise_net", {{"lora.rank", I{4}}}, 2), image(exact, "generate", {}, 2);
  const auto offset = net.run(0), picture = image.run(0);
  std::cout << "| weights | bytes | offset | by noise | by LoRA | picture | by noise |\n";
  for (const auto& [kind, bound] :
       std::vector<std::pair<std::string, double>>{{"int8", 0.05}, {"fp8", 0.2}}) {
    SanaSprint q(emoji({{"quantise", kind}}));
    q.prompts(kPrompts);
    Case qnet(q, "noise_net", {{"lora.rank", I{4}}}, 2), qimage(q, "generate", {}, 2);
    const auto o = qnet.run(0), p = qimage.run(0);
    ASSERT_EQ(o.outcome.text + p.outcome.text, "");
    double lora = 0, lora_norm = 0;
    for (std::size_t i = 1; i < o.grads.size(); ++i) {
      lora += (o.grads[i] - offset.grads[i]).square().sum().item<double>();
      lora_norm += offset.grads[i].square().sum().item<double>();
    }
    const std::vector<double> errors{
        relative(o.outputs[0], offset.outputs[0]), relative(o.grads[0], offset.grads[0]),
        std::sqrt(lora / lora_norm), relative(p.outputs[0], picture.outputs[0]),
        relative(p.grads[0], picture.grads[0])};
    std::cout << "| " << kind << " | " << hn::used_bytes(*q.memory, q.instance) << " of "
              << hn::used_bytes(*exact.memory, exact.instance) << std::setprecision(2);
    for (const double error : errors) std::cout << " | " << error;
    std::cout << " |\n";
    for (std::size_t i = 0; i < 4; ++i) EXPECT_LT(errors[i], bound) << kind << ' ' << i;
    EXPECT_LT(hn::used_bytes(*q.memory, q.instance) * 2,
              hn::used_bytes(*exact.memory, exact.instance));
    EXPECT_LE(qnet.kept, net.kept) << "codes are not copied into the graph";
  }
  const Outcome got = SanaSprint::try_create(emoji({{"quantise", std::string("int3")}}));
  EXPECT_EQ(got.status, HN_INVALID_ARGUMENT);
  EXPECT_THAT(got.text, testing::HasSubstr("none, int8, fp8"));
}

class PromptFolder {
 public:
  PromptFolder() : path_(fs::temp_directory_path() / ("hn_prompts_" + std::to_string(::getpid()))) {
    fs::remove_all(path_);
  }
  ~PromptFolder() { fs::remove_all(path_); }
  std::string text() const { return path_.string(); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

at::Tensor draw(Generator& g) {
  Opened f(g, "generate");
  at::manual_seed(1);
  return f.run({at::randn(Opened::with_batch(f.in[0].shape, 2))}).outputs[0];
}

TEST(SanaMemory, ATextEncoderIsFreedOnceThePromptsAreEncoded) {
  SanaSprint kept;
  kept.prompts(kPrompts);
  const auto want = draw(kept);
  const PromptFolder folder;
  SanaSprint g(
      emoji({{"text_encoder", std::string("free")}, {"prompt_cache", std::string("off")}}));
  const auto used = [&] { return hn::used_bytes(*g.memory, g.instance); };
  const std::uint64_t without = used(), with = hn::used_bytes(*kept.memory, kept.instance);
  EXPECT_LT(without, with);
  g.prompts(kPrompts);
  EXPECT_EQ(used(), with) << "loaded for the prompts";
  EXPECT_TRUE(at::equal(draw(g), want));
  EXPECT_EQ(used(), without) << "freed when the generator runs";
  g.prompts({kPrompts[1], kPrompts[0]});
  EXPECT_EQ(used(), with) << "and loaded again on demand";

  SanaSprint cpu(
      emoji({{"text_encoder", std::string("cpu")}, {"prompt_cache", std::string("off")}}));
  cpu.prompts(kPrompts);
  EXPECT_TRUE(at::equal(draw(cpu), want));
  const Outcome got = SanaSprint::try_create(emoji({{"text_encoder", std::string("gone")}}));
  EXPECT_EQ(got.status, HN_INVALID_ARGUMENT);
  EXPECT_THAT(got.text, testing::HasSubstr("keep, free, cpu"));
}

TEST(SanaMemory, ASecondRunNeedsNoTextEncoder) {
  const PromptFolder folder;
  const Options options =
      emoji({{"text_encoder", std::string("free")}, {"prompt_cache", folder.text()}});
  at::Tensor want;
  {
    SanaSprint first(options);
    first.prompts(kPrompts);
    want = draw(first);
  }
  const auto files = [&] {
    return std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator());
  };
  EXPECT_EQ(files(), 2);
  SanaSprint second(options);
  const std::uint64_t without = hn::used_bytes(*second.memory, second.instance);
  second.prompts(kPrompts);
  EXPECT_EQ(hn::used_bytes(*second.memory, second.instance), without) << "it was not loaded";
  EXPECT_TRUE(at::equal(draw(second), want));
  // Other options are another key.
  SanaSprint other(emoji({{"text_encoder", std::string("free")},
                          {"prompt_cache", folder.text()},
                          {"max_sequence_length", I{4}}}));
  other.prompts(kPrompts);
  EXPECT_EQ(files(), 4);

  // A file that is broken costs an encoding and nothing else.
  for (const auto& entry : fs::directory_iterator(folder.path()))
    fs::resize_file(entry.path(), entry.file_size() / 2);
  SanaSprint third(options);
  third.prompts(kPrompts);
  EXPECT_GT(hn::used_bytes(*third.memory, third.instance), without) << "loaded after all";
  EXPECT_TRUE(at::equal(draw(third), want));
}

}  // namespace
}  // namespace hn::test
