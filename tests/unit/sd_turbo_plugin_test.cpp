// The SD-Turbo plugin through its ABI: slots, adapters, prompts, batches, errors of calls.
#include <cmath>
#include <hn/cpp/client.hpp>

#include "unit/sd_turbo_support.hpp"

namespace hn::test {
namespace {

const std::vector<std::string> kPrompts{"a red apple", "two cats on a green background"};

at::Tensor noise(std::int64_t batch, double shift = 0) {
  return at::arange(batch * 4 * 64, at::kFloat).sin().view({batch, 4, 8, 8}) * 1.4 + shift;
}

// The inputs behind the noise: matrices with numbers, or with B = 0.
std::vector<at::Tensor> with_params(const Opened& f, at::Tensor x, bool zero_b) {
  std::vector<at::Tensor> in{std::move(x)};
  for (std::size_t i = 1; i < f.in.size(); ++i) {
    const auto& s = f.in[i];
    std::int64_t n = 1;
    for (const std::int64_t d : s.shape) n *= d;
    const auto wave =
        (at::arange(n, at::kFloat) * 0.37 + static_cast<double>(i)).sin().view(s.shape) * 0.3;
    in.push_back(s.semantic == "lora_b" && zero_b ? at::zeros(s.shape) : wave);
  }
  return in;
}

TEST(SdTurboPlugin, SlotsSayWhatTheFunctionsTake) {
  SdTurbo g;
  Opened net(g, "noise_net", {{"lora.rank", std::int64_t{4}}, {"lora.targets", List{"to_q"}}});
  EXPECT_EQ(net.in[0].name, "noise");
  EXPECT_EQ(net.in[0].shape, (std::vector<std::int64_t>{HN_DIM_BATCH, 4, 8, 8}));
  // Two attentions each in one block on the way down, in the middle and in two on the way up, and
  // conv_out, which nobody named.
  EXPECT_EQ(net.in.size(), 1u + 2 * (2 * (1 + 1 + 2) + 1));
  EXPECT_EQ(net.in[1].name,
            "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight");
  EXPECT_EQ(net.in.back().name, "conv_out.lora_B.weight");
  EXPECT_EQ(net.in.back().shape, (std::vector<std::int64_t>{4, 4, 1, 1}));
  EXPECT_EQ(net.in[net.in.size() - 2].shape, (std::vector<std::int64_t>{4, 4, 3, 3}));
  EXPECT_EQ(net.flags, HN_FN_NEEDS_COND);

  // Nothing is drawn between the steps.
  Opened four(g, "generate", {{"steps", std::int64_t{4}}, {"width", std::int64_t{24}}});
  EXPECT_EQ(four.in.size(), 1u);
  EXPECT_EQ(four.flags, HN_FN_NEEDS_COND);
  EXPECT_EQ(four.in[0].shape, (std::vector<std::int64_t>{HN_DIM_BATCH, 4, 8, 12}));
  EXPECT_EQ(four.out[0].shape, (std::vector<std::int64_t>{HN_DIM_BATCH, 3, 16, 24}));
  EXPECT_EQ(four.out[1].flags, HN_SLOT_DIFF | HN_SLOT_OPTIONAL);
}

TEST(SdTurboPlugin, NoiseNetStartsAtExactlyZeroAndTrainsFromThere) {
  SdTurbo g;
  g.prompts(kPrompts);
  Opened net(g, "noise_net", {{"lora.rank", std::int64_t{2}}});
  const auto r = net.run(with_params(net, noise(2), true), {at::ones({2, 4, 8, 8})});
  ASSERT_EQ(r.outcome.status, HN_OK) << r.outcome.text;
  EXPECT_EQ(r.outputs[0].abs().max().item<double>(), 0.0);
  double b_of_last = 0, others = 0;
  for (std::size_t i = 1; i < net.in.size(); ++i)
    (net.in[i].name == "conv_out.lora_B.weight" ? b_of_last : others) +=
        r.grads[i].abs().max().item<double>();
  EXPECT_GT(b_of_last, 0.0);
  EXPECT_EQ(others, 0.0);  // everything else waits behind conv_out's B
}

TEST(SdTurboPlugin, ImagesAreInRangeAndPromptsMatter) {
  SdTurbo g;
  g.prompts(kPrompts);
  Opened generate(g, "generate");
  const auto r = generate.run({at::cat({noise(1), noise(1)})}, {at::ones({2, 3, 16, 16}), {}});
  ASSERT_EQ(r.outcome.status, HN_OK) << r.outcome.text;
  EXPECT_TRUE(at::isfinite(r.outputs[0]).all().item<bool>());
  EXPECT_GE(r.outputs[0].min().item<double>(), 0.0);
  EXPECT_LE(r.outputs[0].max().item<double>(), 1.0);
  EXPECT_GT((r.outputs[0][0] - r.outputs[0][1]).abs().mean().item<double>(), 1e-4);
  EXPECT_GT(r.grads[0].abs().max().item<double>(), 0.0);
}

TEST(SdTurboPlugin, OnePromptForAllIsThePromptGivenToEach) {
  SdTurbo g;
  Opened generate(g, "generate", {{"steps", std::int64_t{2}}});
  g.prompts({kPrompts[0], kPrompts[1], kPrompts[0]});
  const auto mixed = generate.run({noise(3)}).outputs[1];
  g.prompts({kPrompts[0]});
  const auto shared = generate.run({noise(3)}).outputs[1];
  const double size = shared.abs().max().item<double>();
  EXPECT_LE((mixed[0] - shared[0]).abs().max().item<double>(), 1e-5 * size);
  EXPECT_LE((mixed[2] - shared[2]).abs().max().item<double>(), 1e-5 * size);
  EXPECT_GT((mixed[1] - shared[1]).abs().max().item<double>(), 1e-4 * size);
}

TEST(SdTurboPlugin, ZeroAdapterOnTheGeneratorChangesNothing) {
  SdTurbo g;
  g.prompts(kPrompts);
  Opened plain(g, "generate");
  Opened tuned(g, "generate",
               {{"lora.rank", std::int64_t{2}}, {"lora.targets", List{"all-linear", "all-conv"}}});
  const auto want = plain.run({noise(2)}).outputs[1];
  const double size = want.abs().max().item<double>();
  const auto got = tuned.run(with_params(tuned, noise(2), true)).outputs[1];
  EXPECT_LE((want - got).abs().max().item<double>(), 1e-5 * size);
  const auto moved = tuned.run(with_params(tuned, noise(2), false)).outputs[1];
  EXPECT_GT((want - moved).abs().max().item<double>(), 1e-3 * size);
}

TEST(SdTurboPlugin, DecodeIsTheEndOfGenerateAndEncodeRuns) {
  SdTurbo g;
  g.prompts(kPrompts);
  Opened generate(g, "generate"), decode(g, "decode"), encode(g, "encode");
  const auto r = generate.run({noise(2)});
  const auto image = decode.run({r.outputs[1]}, {at::ones({2, 3, 16, 16})});
  EXPECT_LE((image.outputs[0] - r.outputs[0]).abs().max().item<double>(), 1e-6);
  const auto back = encode.run({image.outputs[0]}, {at::ones({2, 4, 8, 8})});
  ASSERT_EQ(back.outcome.status, HN_OK) << back.outcome.text;
  EXPECT_TRUE(at::isfinite(back.outputs[0]).all().item<bool>());
  EXPECT_GT(back.grads[0].abs().max().item<double>(), 0.0);
}

TEST(SdTurboPlugin, EmptyBatchAndStrangeStrides) {
  SdTurbo g;
  g.prompts({kPrompts[0]});
  Opened generate(g, "generate");
  const auto none = generate.run({at::empty({0, 4, 8, 8})}, {at::empty({0, 3, 16, 16}), {}});
  EXPECT_EQ(none.outcome.status, HN_OK) << none.outcome.text;
  const auto x = noise(2);
  const auto strided = x.permute({3, 1, 0, 2}).contiguous().permute({2, 1, 3, 0});
  ASSERT_FALSE(strided.is_contiguous());
  EXPECT_LE((generate.run({x}).outputs[0] - generate.run({strided}).outputs[0])
                .abs()
                .max()
                .item<double>(),
            1e-5);
}

TEST(SdTurboPlugin, LayersMemoryAndEmbeddings) {
  SdTurbo g;
  std::uint64_t n = 0;
  ErrorBuffer error;
  ASSERT_EQ(g.adapter->layer_count(g.instance, str("noise_net"), &n, error.get()), HN_OK);
  // conv_in, the time embedding, 2 + 2 + 4 residual blocks with a shortcut where the width changes
  // (1 on the way down, 4 on the way up), 4 transformers of 12 layers, one up and one down sampler,
  // conv_out.
  EXPECT_EQ(n, 1u + 2 + 8 * 3 + 5 + 4 * 12 + 2 + 1);
  EXPECT_EQ(g.adapter->layer_count(g.instance, str("decode"), &n, error.get()), HN_NOT_FOUND);
  EXPECT_GT(hn::used_bytes(*g.memory, g.instance), 100u << 10);
  g.memory->trim(g.instance, kCpu);

  g.prompts({kPrompts[0], kPrompts[1], kPrompts[0]});
  ASSERT_EQ(g.cond->embedding_size(g.instance), 8u);
  std::vector<at::Tensor> pooled;
  for (const hn_cond* handle : g.handles) {
    pooled.push_back(at::full({8}, NAN));
    DLTensor out = borrow(pooled.back());
    ASSERT_EQ(g.cond->embedding(g.instance, handle, kCpu, &out, error.get()), HN_OK)
        << error.text();
    EXPECT_GE(g.cond->size_bytes(g.instance, handle), 16u * 8 * 4);
  }
  EXPECT_TRUE(at::equal(pooled[0], pooled[2]));
  EXPECT_FALSE(at::equal(pooled[0], pooled[1]));
}

TEST(SdTurboPlugin, MistakesInCallsAndOptionsAreNamed) {
  SdTurbo g;
  g.prompts(kPrompts);
  const auto refuses = [&](const std::string& name, const Options& options, hn_status code,
                           const std::string& text) {
    try {
      Opened opened(g, name, options);
      ADD_FAILURE() << name << " was opened";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.what();
      EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
    }
  };
  using I = std::int64_t;
  refuses("paint", {}, HN_NOT_FOUND, "paint");
  refuses("generate", {{"width", I{17}}}, HN_INVALID_ARGUMENT,
          "[sd_turbo] width, height: expected multiples of 2 above 0, got 17 x 16");
  refuses("generate", {{"steps", I{0}}}, HN_INVALID_ARGUMENT, "steps: expected 1 to 1000, got 0");
  refuses("noise_net", {}, HN_INVALID_ARGUMENT, "lora.rank");
  refuses("noise_net", {{"lora.rank", I{2}}, {"lora.targets", List{"proj_outt"}}},
          HN_INVALID_ARGUMENT, "\"proj_outt\"");

  Opened generate(g, "generate");
  EXPECT_EQ(generate.run({at::zeros({2, 4, 8, 9})}).outcome.status, HN_INVALID_ARGUMENT);
  cancelled() = 1;
  EXPECT_EQ(generate.run({noise(2)}).outcome.status, HN_CANCELLED);
  cancelled() = 0;
  EXPECT_EQ(generate.run({noise(2)}, {}, 0, HN_CALL_DETERMINISTIC).outcome.status, HN_OK);
}

TEST(SdTurboPlugin, Bfloat16StaysNearFloat32) {
  SdTurbo wide, half({{"weights", kPlain.string()}, {"dtype", std::string("bfloat16")}});
  wide.prompts(kPrompts);
  half.prompts(kPrompts);
  Opened a(wide, "generate"), b(half, "generate");
  const auto want = a.run({noise(2)}).outputs[0], got = b.run({noise(2)}).outputs[0];
  EXPECT_LT((want - got).abs().mean().item<double>(), 0.05);
}

}  // namespace
}  // namespace hn::test
