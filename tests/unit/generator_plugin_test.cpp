// The generators through their ABI: slots, adapters, prompts, randomness, batches, text encoders
// that go, errors of calls.
#include <cmath>
#include <hn/cpp/client.hpp>

#include "unit/generator_support.hpp"

namespace hn::test {
namespace {

using I = std::int64_t;
const std::vector<std::string> kPrompts{"a red apple", "two cats on a green background"};

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}
double size_of(const at::Tensor& x) { return x.abs().max().item<double>(); }

class GeneratorPlugin : public testing::TestWithParam<GeneratorCase> {
 protected:
  const GeneratorCase& c = GetParam();

  Generator make(const Options& more = {}) const { return {c.plugin, c.with(more)}; }
  at::Tensor noise(I batch, double shift = 0) const {
    const auto shape = c.noise_shape(batch);
    return at::arange(batch * c.channels * c.height * c.width, at::kFloat).sin().view(shape) * 1.4 +
           shift;
  }
  // The inputs behind the noise: matrices with numbers, or with B = 0.
  std::vector<at::Tensor> with_params(const Opened& f, at::Tensor x, bool zero_b) const {
    std::vector<at::Tensor> in{std::move(x)};
    for (std::size_t i = 1; i < f.in.size(); ++i) {
      const auto& s = f.in[i];
      I n = 1;
      for (const I d : s.shape) n *= d;
      const auto wave = (at::arange(n, at::kFloat) * 0.37 + static_cast<double>(i)).sin();
      in.push_back(s.semantic == "lora_b" && zero_b ? at::zeros(s.shape)
                                                    : wave.view(s.shape) * c.matrix_size);
    }
    return in;
  }
  at::Tensor cotangent(I batch) const { return at::ones(c.image_shape(batch)); }
};

TEST_P(GeneratorPlugin, SlotsSayWhatTheFunctionsTake) {
  Generator g = make();
  Opened net(g, "noise_net", {{"lora.rank", I{4}}, {"lora.targets", List{"to_q"}}});
  EXPECT_EQ(net.in[0].name, "noise");
  EXPECT_EQ(net.in[0].shape, c.noise_shape(HN_DIM_BATCH));
  // The output layer is adapted whether or not it is named: its branch is the output.
  ASSERT_EQ(net.in.size(), 1u + 2 * (c.to_q + 1));
  EXPECT_EQ(net.in[1].name, c.first_to_q + ".lora_A.weight");
  EXPECT_EQ(net.in[1].flags, HN_SLOT_PARAM | HN_SLOT_DIFF);
  EXPECT_EQ(net.in[2].semantic, "lora_b");
  EXPECT_EQ(net.in.back().name, c.output_layer + ".lora_B.weight");
  EXPECT_EQ(net.in.back().shape, c.output_b);
  EXPECT_EQ(net.in[net.in.size() - 2].shape, c.output_a);
  EXPECT_EQ(net.out[0].semantic, "offset");
  EXPECT_EQ(net.flags, HN_FN_NEEDS_COND);

  Opened one(g, "generate");
  EXPECT_EQ(one.in.size(), 1u);
  EXPECT_EQ(one.flags, HN_FN_NEEDS_COND);
  EXPECT_EQ(one.out[0].shape, c.image_shape(HN_DIM_BATCH));
  EXPECT_EQ(one.out[1].flags, HN_SLOT_DIFF | HN_SLOT_OPTIONAL);
  const I wide = c.width + 4;
  Opened three(g, "generate", {{"steps", I{3}}, {"width", wide * c.factor}});
  EXPECT_EQ(three.in[0].shape, (std::vector<I>{HN_DIM_BATCH, c.channels, c.height, wide}));
  ASSERT_EQ(three.in.size(), c.draws ? 2u : 1u);
  EXPECT_EQ(three.flags, HN_FN_NEEDS_COND | (c.draws ? HN_FN_RANDOM : 0u));
  if (c.draws) {
    EXPECT_EQ(three.in[1].shape, (std::vector<I>{2, HN_DIM_BATCH, c.channels, c.height, wide}));
  }
  Opened decode(g, "decode"), encode(g, "encode");
  EXPECT_EQ(decode.in[0].name, "latents");
  EXPECT_EQ(decode.in[0].shape, c.noise_shape(HN_DIM_BATCH));
  EXPECT_EQ(decode.out[0].shape, c.image_shape(HN_DIM_BATCH));
  EXPECT_EQ(encode.in[0].name, "image_rgb01");
  EXPECT_EQ(encode.out[0].shape, c.noise_shape(HN_DIM_BATCH));
  EXPECT_EQ(decode.flags | encode.flags, 0u) << "neither needs a prompt";
}

TEST_P(GeneratorPlugin, NoiseNetStartsAtExactlyZeroAndTrainsFromThere) {
  Generator g = make();
  g.prompts(kPrompts);
  Opened net(g, "noise_net", {{"lora.rank", I{2}}});
  const auto r = net.run(with_params(net, noise(2), true), {at::ones(c.noise_shape(2))});
  ASSERT_EQ(r.outcome.status, HN_OK) << r.outcome.text;
  EXPECT_EQ(size_of(r.outputs[0]), 0.0);
  double b_of_last = 0, others = 0;
  for (std::size_t i = 1; i < net.in.size(); ++i)
    (net.in[i].name == c.output_layer + ".lora_B.weight" ? b_of_last : others) +=
        size_of(r.grads[i]);
  EXPECT_GT(b_of_last, 0.0);
  EXPECT_EQ(others, 0.0);  // everything else waits behind the last layer's B
}

TEST_P(GeneratorPlugin, ImagesAreInRangeAndPromptsMatter) {
  Generator g = make();
  g.prompts(kPrompts);
  Opened generate(g, "generate");
  const auto r = generate.run({at::cat({noise(1), noise(1)})}, {cotangent(2), {}});
  ASSERT_EQ(r.outcome.status, HN_OK) << r.outcome.text;
  EXPECT_TRUE(at::isfinite(r.outputs[0]).all().item<bool>());
  EXPECT_GE(r.outputs[0].min().item<double>(), 0.0);
  EXPECT_LE(r.outputs[0].max().item<double>(), 1.0);
  EXPECT_GT((r.outputs[0][0] - r.outputs[0][1]).abs().mean().item<double>(), c.prompt_difference);
  EXPECT_GT(size_of(r.grads[0]), 0.0);
}

TEST_P(GeneratorPlugin, OnePromptForAllIsThePromptGivenToEach) {
  Generator g = make();
  Opened generate(g, "generate");
  // Nor does a sample depend on its neighbours, whose longer prompts may pad its own.
  g.prompts({kPrompts[0], kPrompts[1], kPrompts[0]});
  const auto mixed = generate.run({noise(3)}).outputs[1];
  g.prompts({kPrompts[0], kPrompts[0], kPrompts[0]});
  const auto each = generate.run({noise(3)}).outputs[1];
  g.prompts({kPrompts[0]});
  const auto shared = generate.run({noise(3)}).outputs[1];
  const double size = size_of(shared);
  EXPECT_LE(difference(each, shared), 1e-5 * size);
  EXPECT_LE(difference(mixed[0], shared[0]), 1e-5 * size);
  EXPECT_LE(difference(mixed[2], shared[2]), 1e-5 * size);
  EXPECT_GT(difference(mixed[1], shared[1]), 1e-5 * size);
}

TEST_P(GeneratorPlugin, RandomStepsFollowTheSeedAndGivenNoiseReplacesThem) {
  Generator g = make();
  g.prompts({kPrompts[0]});
  Opened generate(g, "generate", {{"steps", I{2}}});
  const auto draw = [&](const std::vector<at::Tensor>& more, std::uint64_t seed) {
    std::vector<at::Tensor> in{noise(1)};
    in.insert(in.end(), more.begin(), more.end());
    return generate.run(in, {}, seed).outputs[1];
  };
  if (!c.draws) {
    EXPECT_TRUE(at::equal(draw({}, 5), draw({}, 6))) << "nothing is drawn";
    return;
  }
  EXPECT_TRUE(at::equal(draw({{}}, 5), draw({{}}, 5)));
  EXPECT_FALSE(at::equal(draw({{}}, 5), draw({{}}, 6)));
  const auto given = noise(1, 0.2).unsqueeze(0);
  EXPECT_TRUE(at::equal(draw({given}, 5), draw({given}, 6)));
}

TEST_P(GeneratorPlugin, ZeroAdapterOnTheGeneratorChangesNothing) {
  Generator g = make();
  g.prompts(kPrompts);
  Opened plain(g, "generate");
  const auto want = plain.run({noise(2)}).outputs[1];
  const double size = size_of(want);
  for (const List& targets : {List{"all-linear"}, List{"all-linear", c.output_layer}}) {
    Opened tuned(g, "generate", {{"lora.rank", I{2}}, {"lora.targets", targets}});
    const auto got = tuned.run(with_params(tuned, noise(2), true)).outputs[1];
    EXPECT_LE(difference(want, got), 1e-5 * size);
    const auto moved = tuned.run(with_params(tuned, noise(2), false)).outputs[1];
    EXPECT_GT(difference(want, moved), 1e-3 * size);
  }
}

TEST_P(GeneratorPlugin, DecodeIsTheEndOfGenerateAndEncodeRuns) {
  Generator g = make();
  g.prompts(kPrompts);
  Opened generate(g, "generate"), decode(g, "decode"), encode(g, "encode");
  const auto r = generate.run({noise(2)});
  const auto image = decode.run({r.outputs[1]}, {cotangent(2)});
  ASSERT_EQ(image.outcome.status, HN_OK) << image.outcome.text;
  EXPECT_LE(difference(image.outputs[0], r.outputs[0]), 1e-6);
  const auto back = encode.run({image.outputs[0]}, {at::ones(c.noise_shape(2))});
  ASSERT_EQ(back.outcome.status, HN_OK) << back.outcome.text;
  EXPECT_TRUE(at::isfinite(back.outputs[0]).all().item<bool>());
  EXPECT_GT(size_of(back.grads[0]), 0.0);
  if (c.plugin == "sana_sprint") {  // the one with trained weights: an autoencoder, no inverse
    EXPECT_LT((back.outputs[0] - r.outputs[1]).square().mean().sqrt().item<double>(), 0.5);
  }
}

TEST_P(GeneratorPlugin, EmptyBatchAndStrangeStrides) {
  Generator g = make();
  g.prompts({kPrompts[0]});
  Opened generate(g, "generate");
  const auto none = generate.run({at::empty(c.noise_shape(0))}, {cotangent(0), {}});
  EXPECT_EQ(none.outcome.status, HN_OK) << none.outcome.text;
  const auto x = noise(2);
  const auto strided = x.permute({3, 1, 0, 2}).contiguous().permute({2, 1, 3, 0});
  ASSERT_FALSE(strided.is_contiguous());
  EXPECT_LE(difference(generate.run({x}).outputs[0], generate.run({strided}).outputs[0]), 1e-5);
}

TEST_P(GeneratorPlugin, ATextEncoderThatGoesGivesTheSamePictures) {
  Generator kept = make();
  kept.prompts(kPrompts);
  Opened want(kept, "generate");
  const auto image = want.run({noise(2)}).outputs[0];
  for (const std::string mode : {"free", "cpu"}) {
    Generator g = make({{"text_encoder", mode}, {"prompt_cache", std::string("off")}});
    g.prompts(kPrompts);
    Opened generate(g, "generate");
    EXPECT_TRUE(at::equal(generate.run({noise(2)}).outputs[0], image)) << mode;
    if (mode == "free") {
      EXPECT_LT(hn::used_bytes(*g.memory, g.instance), hn::used_bytes(*kept.memory, kept.instance));
    }
  }
}

TEST_P(GeneratorPlugin, PromptsComeBackFromTheDisk) {
  const fs::path folder = fs::temp_directory_path() / ("hn_prompts_" + std::to_string(getpid()));
  fs::remove_all(folder);
  at::Tensor first;
  for (int round = 0; round < 2; ++round) {
    Generator g = make({{"text_encoder", std::string("free")}, {"prompt_cache", folder.string()}});
    const std::uint64_t without = hn::used_bytes(*g.memory, g.instance);
    g.prompts(kPrompts);
    EXPECT_EQ(hn::used_bytes(*g.memory, g.instance) == without, round == 1) << "loaded once";
    Opened generate(g, "generate");
    const auto image = generate.run({noise(2)}).outputs[0];
    if (round == 0) first = image;
    EXPECT_TRUE(at::equal(image, first));
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 2);
  fs::remove_all(folder);
}

TEST_P(GeneratorPlugin, QuantisedWeightsStayNear) {
  Generator wide = make(), narrow = make({{"quantise", std::string("int8")}});
  wide.prompts(kPrompts);
  narrow.prompts(kPrompts);
  Opened a(wide, "generate"), b(narrow, "generate");
  const auto want = a.run({noise(2)}).outputs[1];
  const auto r = b.run({noise(2)}, {cotangent(2), {}});
  ASSERT_EQ(r.outcome.status, HN_OK) << r.outcome.text;
  EXPECT_GT(difference(want, r.outputs[1]), 0.0);
  EXPECT_LT(difference(want, r.outputs[1]), 0.1 * size_of(want));
  EXPECT_GT(size_of(r.grads[0]), 0.0);
}

TEST_P(GeneratorPlugin, LayersMemoryAndEmbeddings) {
  Generator g = make();
  std::uint64_t n = 0;
  ErrorBuffer error;
  ASSERT_EQ(g.adapter->layer_count(g.instance, str("noise_net"), &n, error.get()), HN_OK);
  EXPECT_EQ(n, c.layers);
  hn_layer layer{};
  layer.struct_size = sizeof(layer);
  bool output = false;
  for (std::uint64_t i = 0; i < n; ++i) {
    ASSERT_EQ(g.adapter->layer(g.instance, str("generate"), i, &layer, error.get()), HN_OK);
    if (view(layer.name) != c.output_layer) continue;
    output = true;
    EXPECT_EQ(layer.kind, c.output_a.size() == 4 ? HN_LAYER_CONV2D : HN_LAYER_LINEAR);
    EXPECT_EQ(layer.kernel_h, c.output_a.size() == 4 ? c.output_a[2] : 1);
  }
  EXPECT_TRUE(output);
  EXPECT_EQ(g.adapter->layer_count(g.instance, str("decode"), &n, error.get()), HN_NOT_FOUND);
  EXPECT_GT(hn::used_bytes(*g.memory, g.instance), c.least_bytes);
  g.memory->trim(g.instance, kCpu);

  g.prompts({kPrompts[0], kPrompts[1], kPrompts[0]});
  ASSERT_EQ(g.cond->embedding_size(g.instance), static_cast<std::uint64_t>(c.embedding));
  std::vector<at::Tensor> pooled;
  for (const hn_cond* handle : g.handles) {
    pooled.push_back(at::full({c.embedding}, NAN));
    DLTensor out = borrow(pooled.back());
    ASSERT_EQ(g.cond->embedding(g.instance, handle, kCpu, &out, error.get()), HN_OK)
        << error.text();
    EXPECT_GE(g.cond->size_bytes(g.instance, handle), c.least_handle);
  }
  EXPECT_TRUE(at::equal(pooled[0], pooled[2]));
  EXPECT_FALSE(at::equal(pooled[0], pooled[1]));
}

TEST_P(GeneratorPlugin, PlanGrowsWithTheBatch) {
  Generator g = make();
  g.prompts({kPrompts[0]});
  Opened generate(g, "generate");
  std::uint64_t last = 0;
  for (const I batch : {1, 4}) {
    const hn_plan plan = generate.plan({noise(batch)});
    EXPECT_GT(plan.saved_bytes, last);
    EXPECT_GE(plan.peak_bytes, plan.saved_bytes);
    last = plan.saved_bytes * 3;
  }
}

TEST_P(GeneratorPlugin, MistakesInCallsAndOptionsAreNamed) {
  Generator g = make();
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
  const I width = c.width * c.factor + 1, height = c.height * c.factor;
  refuses("paint", {}, HN_NOT_FOUND, "paint");
  refuses("generate", {{"width", width}}, HN_INVALID_ARGUMENT,
          "[" + c.plugin + "] width, height: expected multiples of " + std::to_string(c.unit) +
              " above 0, got " + std::to_string(width) + " x " + std::to_string(height));
  refuses("generate", {{"height", I{0}}}, HN_INVALID_ARGUMENT,
          "multiples of " + std::to_string(c.unit));
  refuses("generate", {{"steps", I{0}}}, HN_INVALID_ARGUMENT, "steps: expected 1 to 1000, got 0");
  refuses("generate", {{"steps", std::string("two")}}, HN_INVALID_ARGUMENT, "steps");
  refuses("noise_net", {}, HN_INVALID_ARGUMENT, "lora.rank");
  refuses("noise_net", {{"lora.rank", I{2}}, {"lora.targets", List{"to_w", c.output_layer}}},
          HN_INVALID_ARGUMENT, "\"to_w\"");
  refuses("noise_net", {{"lora.rank", I{2}}, {"lora.targets", List{"re:(", c.output_layer}}},
          HN_INVALID_ARGUMENT, "regular expression");
  refuses("generate", {{"lora.rank", I{-1}}}, HN_INVALID_ARGUMENT, "got -1");

  Opened generate(g, "generate");
  const auto narrow = at::zeros({2, c.channels, c.height, c.width + 1});
  EXPECT_EQ(generate.run({narrow}).outcome.status, HN_INVALID_ARGUMENT);
  EXPECT_EQ(generate.run({noise(3)}).outcome.status, HN_INVALID_ARGUMENT)
      << "two prompts for three samples";
  cancelled() = 1;
  EXPECT_EQ(generate.run({noise(2)}).outcome.status, HN_CANCELLED);
  cancelled() = 0;
  EXPECT_EQ(generate.run({noise(2)}, {}, 0, HN_CALL_DETERMINISTIC).outcome.status, HN_OK);
}

TEST_P(GeneratorPlugin, Bfloat16StaysNearFloat32) {
  Generator wide = make(), half = make({{"dtype", std::string("bfloat16")}});
  wide.prompts(kPrompts);
  half.prompts(kPrompts);
  Opened a(wide, "generate"), b(half, "generate");
  const auto want = a.run({noise(2)}).outputs[0], got = b.run({noise(2)}).outputs[0];
  EXPECT_LT((want - got).abs().mean().item<double>(), c.bfloat16_error);
}

TEST_P(GeneratorPlugin, OptionsThatThereAreNotAreNamed) {
  for (const auto& [key, value, code] :
       std::vector<std::tuple<std::string, std::string, hn_status>>{
           {"dtype", "float8", HN_UNSUPPORTED},
           {"device", "tpu", HN_UNSUPPORTED},
           {"quantise", "int3", HN_INVALID_ARGUMENT},
           {"text_encoder", "gone", HN_INVALID_ARGUMENT}}) {
    const Outcome got = Generator::try_create(c.plugin, c.with({{key, value}}));
    EXPECT_EQ(got.status, code) << got.text;
    EXPECT_NE(got.text.find(value), std::string::npos) << got.text;
  }
  const Outcome tile = Generator::try_create(c.plugin, c.with({{"vae_tile", c.factor * 4 - 1}}));
  EXPECT_EQ(tile.status, HN_INVALID_ARGUMENT);
  EXPECT_NE(tile.text.find("multiple of " + std::to_string(c.factor)), std::string::npos)
      << tile.text;
}

INSTANTIATE_TEST_SUITE_P(All, GeneratorPlugin, testing::ValuesIn(generator_cases()),
                         [](const auto& info) { return info.param.plugin; });

// What SANA's alone has: prompts are cleaned before they are tokens, and depthwise convolutions.
TEST(SanaPlugin, PromptsAreCleanedAndGroupsHaveToDivideTheRank) {
  const GeneratorCase c = generator_cases()[0];
  Generator g(c.plugin, c.options);
  g.prompts({"a red apple", "  A RED Apple "});
  Opened generate(g, "generate");
  const auto x = at::ones(c.noise_shape(1));
  const auto r = generate.run({at::cat({x, x})}).outputs[1];
  EXPECT_LE(difference(r[0], r[1]), 1e-5);
  try {
    Opened net(g, "noise_net",
               {{"lora.rank", I{2}}, {"lora.targets", List{"conv_depth", "proj_out"}}});
    ADD_FAILURE() << "accepted";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("1280 groups"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace hn::test
