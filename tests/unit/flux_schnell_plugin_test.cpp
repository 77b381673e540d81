// The FLUX plugin through its ABI: slots, adapters, prompts, batches, text encoders that go.
#include <cmath>
#include <hn/cpp/client.hpp>

#include "unit/flux_schnell_support.hpp"

namespace hn::test {
namespace {

const std::vector<std::string> kPrompts{"a red apple", "two cats on a green background"};

at::Tensor noise(std::int64_t batch) {
  return at::arange(batch * 4 * 24, at::kFloat).sin().view({batch, 4, 4, 6}) * 1.4;
}

// The inputs behind the noise: matrices with numbers, or with B = 0.
std::vector<at::Tensor> with_params(const Opened& f, at::Tensor x, bool zero_b) {
  std::vector<at::Tensor> in{std::move(x)};
  for (std::size_t i = 1; i < f.in.size(); ++i) {
    const auto& s = f.in[i];
    std::int64_t n = 1;
    for (const std::int64_t d : s.shape) n *= d;
    const auto wave =
        (at::arange(n, at::kFloat) * 0.37 + static_cast<double>(i)).sin().view(s.shape) * 0.2;
    in.push_back(s.semantic == "lora_b" && zero_b ? at::zeros(s.shape) : wave);
  }
  return in;
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST(FluxPlugin, SlotsSayWhatTheFunctionsTake) {
  Flux g;
  Opened net(g, "noise_net", {{"lora.rank", std::int64_t{4}}, {"lora.targets", List{"to_q"}}});
  EXPECT_EQ(net.in[0].name, "noise");
  EXPECT_EQ(net.in[0].shape, (std::vector<std::int64_t>{HN_DIM_BATCH, 4, 4, 6}));
  // One double and one single block, and proj_out, which nobody named.
  ASSERT_EQ(net.in.size(), 1u + 2 * 3);
  EXPECT_EQ(net.in[1].name, "transformer_blocks.0.attn.to_q.lora_A.weight");
  EXPECT_EQ(net.in[3].name, "single_transformer_blocks.0.attn.to_q.lora_A.weight");
  EXPECT_EQ(net.in.back().name, "proj_out.lora_B.weight");
  EXPECT_EQ(net.in.back().shape, (std::vector<std::int64_t>{16, 4}));
  EXPECT_EQ(net.flags, HN_FN_NEEDS_COND);

  // Nothing is drawn between the steps.
  Opened four(g, "generate", {{"steps", std::int64_t{4}}, {"width", std::int64_t{20}}});
  EXPECT_EQ(four.in.size(), 1u);
  EXPECT_EQ(four.in[0].shape, (std::vector<std::int64_t>{HN_DIM_BATCH, 4, 4, 10}));
  EXPECT_EQ(four.out[0].shape, (std::vector<std::int64_t>{HN_DIM_BATCH, 3, 8, 20}));
}

TEST(FluxPlugin, NoiseNetStartsAtExactlyZeroAndTrainsFromThere) {
  Flux g;
  g.prompts(kPrompts);
  Opened net(g, "noise_net", {{"lora.rank", std::int64_t{2}}});
  const auto r = net.run(with_params(net, noise(2), true), {at::ones({2, 4, 4, 6})});
  ASSERT_EQ(r.outcome.status, HN_OK) << r.outcome.text;
  EXPECT_EQ(r.outputs[0].abs().max().item<double>(), 0.0);
  double b_of_last = 0, others = 0;
  for (std::size_t i = 1; i < net.in.size(); ++i)
    (net.in[i].name == "proj_out.lora_B.weight" ? b_of_last : others) +=
        r.grads[i].abs().max().item<double>();
  EXPECT_GT(b_of_last, 0.0);
  EXPECT_EQ(others, 0.0);  // everything else waits behind proj_out's B
}

TEST(FluxPlugin, ImagesAreInRangeAndPromptsMatter) {
  Flux g;
  g.prompts(kPrompts);
  Opened generate(g, "generate");
  const auto r = generate.run({at::cat({noise(1), noise(1)})}, {at::ones({2, 3, 8, 12}), {}});
  ASSERT_EQ(r.outcome.status, HN_OK) << r.outcome.text;
  EXPECT_TRUE(at::isfinite(r.outputs[0]).all().item<bool>());
  EXPECT_GE(r.outputs[0].min().item<double>(), 0.0);
  EXPECT_LE(r.outputs[0].max().item<double>(), 1.0);
  EXPECT_GT((r.outputs[0][0] - r.outputs[0][1]).abs().mean().item<double>(), 1e-5);
  EXPECT_GT(r.grads[0].abs().max().item<double>(), 0.0);
}

TEST(FluxPlugin, OnePromptForAllIsThePromptGivenToEach) {
  Flux g;
  Opened generate(g, "generate", {{"steps", std::int64_t{2}}});
  g.prompts({kPrompts[0], kPrompts[1], kPrompts[0]});
  const auto mixed = generate.run({noise(3)}).outputs[1];
  g.prompts({kPrompts[0]});
  const auto shared = generate.run({noise(3)}).outputs[1];
  const double size = shared.abs().max().item<double>();
  EXPECT_LE(difference(mixed[0], shared[0]), 1e-5 * size);
  EXPECT_LE(difference(mixed[2], shared[2]), 1e-5 * size);
  EXPECT_GT(difference(mixed[1], shared[1]), 1e-5 * size);
}

TEST(FluxPlugin, ZeroAdapterOnTheGeneratorChangesNothing) {
  Flux g;
  g.prompts(kPrompts);
  Opened plain(g, "generate"), tuned(g, "generate", {{"lora.rank", std::int64_t{2}}});
  const auto want = plain.run({noise(2)}).outputs[1];
  const double size = want.abs().max().item<double>();
  EXPECT_LE(difference(want, tuned.run(with_params(tuned, noise(2), true)).outputs[1]),
            1e-5 * size);
  EXPECT_GT(difference(want, tuned.run(with_params(tuned, noise(2), false)).outputs[1]),
            1e-3 * size);
}

TEST(FluxPlugin, DecodeIsTheEndOfGenerateAndEncodeRuns) {
  Flux g;
  g.prompts(kPrompts);
  Opened generate(g, "generate"), decode(g, "decode"), encode(g, "encode");
  const auto r = generate.run({noise(2)});
  const auto image = decode.run({r.outputs[1]}, {at::ones({2, 3, 8, 12})});
  EXPECT_LE(difference(image.outputs[0], r.outputs[0]), 1e-6);
  const auto back = encode.run({image.outputs[0]}, {at::ones({2, 4, 4, 6})});
  ASSERT_EQ(back.outcome.status, HN_OK) << back.outcome.text;
  EXPECT_TRUE(at::isfinite(back.outputs[0]).all().item<bool>());
}

TEST(FluxPlugin, ATextEncoderThatGoesGivesTheSamePictures) {
  Flux kept;
  kept.prompts(kPrompts);
  Opened want(kept, "generate");
  const auto image = want.run({noise(2)}).outputs[0];
  for (const char* mode : {"free", "cpu"}) {
    Flux g({{"text_encoder", std::string(mode)}, {"prompt_cache", std::string("off")}});
    g.prompts(kPrompts);
    Opened generate(g, "generate");
    EXPECT_TRUE(at::equal(generate.run({noise(2)}).outputs[0], image)) << mode;
    if (std::string(mode) == "free") {
      EXPECT_LT(hn::used_bytes(*g.memory, g.instance), hn::used_bytes(*kept.memory, kept.instance));
    }
  }
}

TEST(FluxPlugin, PromptsComeBackFromTheDisk) {
  const fs::path folder =
      fs::temp_directory_path() / ("hn_flux_prompts_" + std::to_string(getpid()));
  fs::remove_all(folder);
  const Options cached{{"text_encoder", std::string("free")}, {"prompt_cache", folder.string()}};
  at::Tensor first;
  for (int round = 0; round < 2; ++round) {
    Flux g(cached);
    g.prompts(kPrompts);
    Opened generate(g, "generate");
    const auto image = generate.run({noise(2)}).outputs[0];
    if (round == 0) first = image;
    EXPECT_TRUE(at::equal(image, first));
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 2);
  fs::remove_all(folder);
}

TEST(FluxPlugin, QuantisedWeightsStayNear) {
  Flux wide, narrow({{"quantise", std::string("int8")}});
  wide.prompts(kPrompts);
  narrow.prompts(kPrompts);
  Opened a(wide, "generate"), b(narrow, "generate");
  const auto want = a.run({noise(2)}).outputs[1];
  const auto r = b.run({noise(2)}, {at::ones({2, 3, 8, 12}), {}});
  ASSERT_EQ(r.outcome.status, HN_OK) << r.outcome.text;
  EXPECT_GT(difference(want, r.outputs[1]), 0.0);
  EXPECT_LT(difference(want, r.outputs[1]), 0.1 * want.abs().max().item<double>());
  EXPECT_GT(r.grads[0].abs().max().item<double>(), 0.0);
}

TEST(FluxPlugin, LayersMemoryAndEmbeddings) {
  Flux g;
  std::uint64_t n = 0;
  ErrorBuffer error;
  ASSERT_EQ(g.adapter->layer_count(g.instance, str("noise_net"), &n, error.get()), HN_OK);
  // Four of the embedders, two of the inputs, 14 of a double block, 6 of a single one, two last.
  EXPECT_EQ(n, 4u + 2 + 14 + 6 + 2);
  EXPECT_EQ(g.adapter->layer_count(g.instance, str("decode"), &n, error.get()), HN_NOT_FOUND);
  EXPECT_GT(hn::used_bytes(*g.memory, g.instance), 50u << 10);
  g.memory->trim(g.instance, kCpu);

  g.prompts({kPrompts[0], kPrompts[1], kPrompts[0]});
  ASSERT_EQ(g.cond->embedding_size(g.instance), 8u);
  std::vector<at::Tensor> pooled;
  for (const hn_cond* handle : g.handles) {
    pooled.push_back(at::full({8}, NAN));
    DLTensor out = borrow(pooled.back());
    ASSERT_EQ(g.cond->embedding(g.instance, handle, kCpu, &out, error.get()), HN_OK)
        << error.text();
    EXPECT_GE(g.cond->size_bytes(g.instance, handle), (12u * 8 + 8) * 4);
  }
  EXPECT_TRUE(at::equal(pooled[0], pooled[2]));
  EXPECT_FALSE(at::equal(pooled[0], pooled[1]));
}

TEST(FluxPlugin, MistakesInCallsAndOptionsAreNamed) {
  Flux g;
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
  refuses("generate", {{"width", I{18}}}, HN_INVALID_ARGUMENT,
          "[flux_schnell] width, height: expected multiples of 4 above 0, got 18 x 8");
  refuses("generate", {{"steps", I{0}}}, HN_INVALID_ARGUMENT, "steps: expected 1 to 1000, got 0");
  refuses("noise_net", {}, HN_INVALID_ARGUMENT, "lora.rank");
  refuses("noise_net", {{"lora.rank", I{2}}, {"lora.targets", List{"proj_outt"}}},
          HN_INVALID_ARGUMENT, "\"proj_outt\"");

  Opened generate(g, "generate");
  EXPECT_EQ(generate.run({at::zeros({2, 4, 4, 8})}).outcome.status, HN_INVALID_ARGUMENT);
  cancelled() = 1;
  EXPECT_EQ(generate.run({noise(2)}).outcome.status, HN_CANCELLED);
  cancelled() = 0;
}

TEST(FluxPlugin, Bfloat16StaysNearFloat32) {
  Flux wide, half({{"dtype", std::string("bfloat16")}});
  wide.prompts(kPrompts);
  half.prompts(kPrompts);
  Opened a(wide, "generate"), b(half, "generate");
  const auto want = a.run({noise(2)}).outputs[0], got = b.run({noise(2)}).outputs[0];
  EXPECT_LT((want - got).abs().mean().item<double>(), 0.05);
}

}  // namespace
}  // namespace hn::test
