// The memory of a training step over the real generator: what each mechanism saves, and the formula
// of docs/memory.md beside what is measured. Prints the table of docs/results/memory.md.
#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <hn/nn/byte_count.hpp>

#include "support/generator_client.hpp"
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

constexpr std::int64_t kBatch = 4, kSide = 128;
const std::string kWeights = HN_SOURCE_DIR "/plugins/generators/sana_sprint/weights/emoji-sprint";

struct Mechanism {
  const char* name;
  Options options;           // of the generator
  std::uint64_t budget = 0;  // of train.memory_budget
};

Options base(Options more = {}) {
  more["weights"] = kWeights;
  more["width"] = kSide;
  more["height"] = kSide;
  return more;
}

SessionSpec spec_of(const Mechanism& m) {
  SessionSpec s;
  const auto plugin = [](const char* name) {
    const hn_plugin_v1& entry = hn::test::plugin_entry(name);
    return Plugin{&entry, std::string(view(entry.id)),
                  std::filesystem::path(HN_PLUGIN_DIR) / (std::string(name) + ".hnp")};
  };
  s.generator.plugin = plugin("sana_sprint");
  s.generator.name = "emoji-sprint";
  s.generator.options = m.options;
  RewardSpec redness;
  redness.plugin = plugin("redness");
  redness.name = "redness";
  s.rewards = {redness};
  s.net.rank = 8;
  s.net.alpha = 16;
  s.train.prompts = {"a red balloon"};
  s.train.batch = kBatch;
  s.train.memory_budget = m.budget;
  s.threads = 1;
  return s;
}

// Weights, and the most that a step holds beside them.
struct Bytes {
  std::uint64_t weights = 0, step = 0;
};

Bytes measure(const Mechanism& m) {
  const auto session = open_session(spec_of(m), {});
  session->train_step();  // learns what blocks cost
  const ByteCount count;
  session->train_step();
  return {session->shapes().used_bytes, count.peak()};
}

// The formula: what both functions keep, and the larger of what each needs for a moment.
Bytes predict(const Mechanism& m) {
  hn::test::Options options;
  for (const auto& [key, value] : m.options)
    std::visit([&, key = key](const auto& v) { options[key] = v; }, value);
  hn::test::Generator g("sana_sprint", options);
  g.prompts({"a red balloon"});
  hn::test::Options adapted = options;
  adapted["lora.rank"] = std::int64_t{8};
  hn::test::Opened net(g, "noise_net", adapted), generate(g, "generate", options);
  const auto plan = [](hn::test::Opened& f, std::uint64_t budget) {
    std::vector<at::Tensor> inputs;
    for (const auto& slot : f.in)
      inputs.push_back(at::zeros(hn::test::Opened::with_batch(slot.shape, kBatch)));
    f.saved_budget = budget;
    return f.plan(inputs);
  };
  const hn_plan n = plan(net, 0), p = plan(generate, 0);
  std::uint64_t saved = n.saved_bytes + p.saved_bytes, net_work = n.peak_bytes - n.saved_bytes,
                work = p.peak_bytes - p.saved_bytes;
  if (m.budget > 0 && m.budget < saved) {
    const hn_plan least_n = plan(net, 1), least_p = plan(generate, 1);
    saved = std::max(m.budget, least_n.saved_bytes + least_p.saved_bytes);
    net_work = least_n.peak_bytes - least_n.saved_bytes;
    work = least_p.peak_bytes - least_p.saved_bytes;
  }
  return {hn::used_bytes(*g.memory, g.instance), saved + std::max(net_work, work)};
}

TEST(CoreMemory, AStepNeedsWhatTheFormulaSaysAndEachMechanismLess) {
  const std::string bf16 = "bfloat16", free = "free", off = "off", int8 = "int8", fp8 = "fp8";
  const std::int64_t tile = 64;
  const std::uint64_t budget = 24u << 20;
  const std::vector<Mechanism> mechanisms{
      {"none", base()},
      {"memory_budget 24 MiB", base(), budget},
      {"vae_tile 64", base({{"vae_tile", tile}})},
      {"quantise int8", base({{"quantise", int8}})},
      {"quantise fp8", base({{"quantise", fp8}})},
      {"dtype bfloat16", base({{"dtype", bf16}})},
      {"text_encoder free", base({{"text_encoder", free}, {"prompt_cache", off}})},
      {"bfloat16, int8, free, tiles, 8 MiB",
       base({{"dtype", bf16},
             {"quantise", int8},
             {"text_encoder", free},
             {"prompt_cache", off},
             {"vae_tile", tile}}),
       8u << 20},
  };
  std::vector<Bytes> measured;
  std::printf("| mechanism | weights | step, measured | step, formula |\n|---|---|---|---|\n");
  for (const Mechanism& m : mechanisms) {
    SCOPED_TRACE(m.name);
    const Bytes got = measure(m), want = predict(m);
    measured.push_back(got);
    std::printf("| %s | %.2f MB | %.1f MB | %.1f MB |\n", m.name,
                static_cast<double>(got.weights) / 1e6, static_cast<double>(got.step) / 1e6,
                static_cast<double>(want.step) / 1e6);
    const double ratio = static_cast<double>(want.step) / static_cast<double>(got.step);
    EXPECT_GT(ratio, 1 / 1.5);
    EXPECT_LT(ratio, 1.5);
  }
  EXPECT_LT(measured[1].step * 2, measured[0].step);
  EXPECT_LT(measured[2].step, measured[0].step);
  EXPECT_LT(measured[3].weights * 3, measured[0].weights * 2);
  EXPECT_LT(measured[5].weights, measured[0].weights);
  EXPECT_LT(measured[6].weights, measured[0].weights);
  EXPECT_LT(measured[7].step * 4, measured[0].step);
  EXPECT_LT(measured[7].weights * 2, measured[0].weights);
}

}  // namespace
}  // namespace hn::core::test
