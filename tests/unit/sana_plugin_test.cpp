// The SANA-Sprint plugin through its ABI: slots, adapters, prompts, randomness, batches, errors of
// calls.
#include <cmath>
#include <hn/cpp/client.hpp>

#include "unit/sana_support.hpp"

namespace hn::test {
namespace {

const std::vector<std::string> kPrompts{"a red apple", "two cats on a green background"};

at::Tensor noise(std::int64_t batch, double shift = 0) {
  return at::arange(batch * 16 * 64, at::kFloat).sin().view({batch, 16, 8, 8}) * 1.4 + shift;
}

std::vector<at::Tensor> with_params(const Opened& f, at::Tensor x, bool zero_b) {
  std::vector<at::Tensor> in{std::move(x)};
  for (std::size_t i = 1; i < f.in.size(); ++i) {
    const auto& s = f.in[i];
    if (s.semantic == "step_noise") {
      in.emplace_back();
      continue;
    }
    const auto wave =
        (at::arange(s.shape[0] * s.shape[1], at::kFloat) * 0.37 + static_cast<double>(i))
            .sin()
            .view(s.shape) *
        0.1;
    in.push_back(s.semantic == "lora_b" && zero_b ? at::zeros(s.shape) : wave);
  }
  return in;
}

TEST(SanaPlugin, SlotsSayWhatTheFunctionsTake) {
  SanaSprint g;
  Opened net(g, "noise_net",
             {{"lora.rank", std::int64_t{4}}, {"lora.targets", List{"to_q", "proj_out"}}});
  EXPECT_EQ(net.in[0].name, "noise");
  EXPECT_EQ(net.in[0].shape, (std::vector<std::int64_t>{HN_DIM_BATCH, 16, 8, 8}));
  EXPECT_EQ(net.in.size(), 1u + 2 * (6 * 2 + 1));
  EXPECT_EQ(net.in[1].name, "transformer_blocks.0.attn1.to_q.lora_A.weight");
  EXPECT_EQ(net.in[1].shape, (std::vector<std::int64_t>{4, 256}));
  EXPECT_EQ(net.in[2].semantic, "lora_b");
  EXPECT_EQ(net.in[1].flags, HN_SLOT_PARAM | HN_SLOT_DIFF);
  EXPECT_EQ(net.out[0].semantic, "offset");
  EXPECT_EQ(net.flags, HN_FN_NEEDS_COND);

  // The output layer is adapted whether or not it is named: its branch is the output.
  Opened unnamed(g, "noise_net", {{"lora.rank", std::int64_t{4}}, {"lora.targets", List{"to_q"}}});
  ASSERT_EQ(unnamed.in.size(), net.in.size());
  EXPECT_EQ(unnamed.in.back().name, "proj_out.lora_B.weight");

  Opened one(g, "generate");
  EXPECT_EQ(one.in.size(), 1u);
  EXPECT_EQ(one.flags, HN_FN_NEEDS_COND);
  EXPECT_EQ(one.out[0].shape, (std::vector<std::int64_t>{HN_DIM_BATCH, 3, 64, 64}));
  EXPECT_EQ(one.out[1].flags, HN_SLOT_DIFF | HN_SLOT_OPTIONAL);
  Opened three(g, "generate", {{"steps", std::int64_t{3}}, {"width", std::int64_t{96}}});
  EXPECT_EQ(three.in[1].shape, (std::vector<std::int64_t>{2, HN_DIM_BATCH, 16, 8, 12}));
  EXPECT_EQ(three.flags, HN_FN_NEEDS_COND | HN_FN_RANDOM);
}

TEST(SanaPlugin, NoiseNetStartsAtExactlyZeroAndTrainsFromThere) {
  SanaSprint g;
  g.prompts(kPrompts);
  Opened net(g, "noise_net", {{"lora.rank", std::int64_t{2}}});
  const auto r = net.run(with_params(net, noise(2), true), {at::ones({2, 16, 8, 8})});
  ASSERT_EQ(r.outcome.status, HN_OK) << r.outcome.text;
  EXPECT_EQ(r.outputs[0].abs().max().item<double>(), 0.0);
  double b_of_last = 0, others = 0;
  for (std::size_t i = 1; i < net.in.size(); ++i) {
    const double size = r.grads[i].abs().max().item<double>();
    (net.in[i].name == "proj_out.lora_B.weight" ? b_of_last : others) += size;
  }
  EXPECT_GT(b_of_last, 0.0);
  EXPECT_EQ(others, 0.0);  // everything else waits behind proj_out's B
}

TEST(SanaPlugin, ImagesAreInRangeAndPromptsMatter) {
  SanaSprint g;
  g.prompts(kPrompts);
  Opened generate(g, "generate");
  const auto x = at::cat({noise(1), noise(1)});
  const auto r = generate.run({x}, {at::ones({2, 3, 64, 64}), {}});
  ASSERT_EQ(r.outcome.status, HN_OK) << r.outcome.text;
  EXPECT_TRUE(at::isfinite(r.outputs[0]).all().item<bool>());
  EXPECT_GE(r.outputs[0].min().item<double>(), 0.0);
  EXPECT_LE(r.outputs[0].max().item<double>(), 1.0);
  EXPECT_GT((r.outputs[0][0] - r.outputs[0][1]).abs().mean().item<double>(), 0.01);
  EXPECT_GT(r.grads[0].abs().max().item<double>(), 0.0);
}

TEST(SanaPlugin, OnePromptForAllIsThePromptGivenToEach) {
  SanaSprint g;
  Opened generate(g, "generate");
  g.prompts({kPrompts[0], kPrompts[0], kPrompts[0]});
  const auto each = generate.run({noise(3)}).outputs[0];
  g.prompts({kPrompts[0]});
  const auto shared = generate.run({noise(3)}).outputs[0];
  EXPECT_LE((each - shared).abs().max().item<double>(), 1e-5);
  // A sample does not depend on its neighbours, whose longer prompts pad its own.
  g.prompts({kPrompts[0], kPrompts[1], "a donut to the right of a panda on a yellow background"});
  const auto mixed = generate.run({noise(3)}).outputs[0];
  EXPECT_LE((mixed[0] - each[0]).abs().max().item<double>(), 1e-5);
}

TEST(SanaPlugin, RandomStepsFollowTheSeedAndGivenNoiseReplacesThem) {
  SanaSprint g;
  g.prompts({kPrompts[0]});
  Opened generate(g, "generate", {{"steps", std::int64_t{2}}});
  const auto a = generate.run({noise(1), {}}, {}, 5).outputs[1],
             again = generate.run({noise(1), {}}, {}, 5).outputs[1];
  const auto b = generate.run({noise(1), {}}, {}, 6).outputs[1];
  EXPECT_TRUE(at::equal(a, again));
  EXPECT_FALSE(at::equal(a, b));
  const auto given = noise(1, 0.2).unsqueeze(0);
  EXPECT_TRUE(at::equal(generate.run({noise(1), given}, {}, 5).outputs[1],
                        generate.run({noise(1), given}, {}, 6).outputs[1]));
}

TEST(SanaPlugin, ZeroAdapterOnTheGeneratorChangesNothing) {
  SanaSprint g;
  g.prompts(kPrompts);
  Opened plain(g, "generate"), tuned(g, "generate", {{"lora.rank", std::int64_t{2}}});
  const auto want = plain.run({noise(2)}).outputs[1];
  const auto got = tuned.run(with_params(tuned, noise(2), true)).outputs[1];
  EXPECT_LE((want - got).abs().max().item<double>(), 1e-5);
  EXPECT_GT(
      (want - tuned.run(with_params(tuned, noise(2), false)).outputs[1]).abs().max().item<double>(),
      1e-3);
}

TEST(SanaPlugin, EncodeUndoesDecode) {
  SanaSprint g;
  g.prompts(kPrompts);
  Opened generate(g, "generate"), decode(g, "decode"), encode(g, "encode");
  const auto r = generate.run({noise(2)});
  const auto image = decode.run({r.outputs[1]}).outputs[0];
  EXPECT_LE((image - r.outputs[0]).abs().max().item<double>(), 1e-6);
  const auto back = encode.run({image}).outputs[0];
  EXPECT_LT((back - r.outputs[1]).square().mean().sqrt().item<double>(),
            0.5);  // an autoencoder, not an inverse
}

TEST(SanaPlugin, EmptyBatchAndStrangeStrides) {
  SanaSprint g;
  g.prompts({kPrompts[0]});
  Opened generate(g, "generate");
  const auto none = generate.run({at::empty({0, 16, 8, 8})}, {at::empty({0, 3, 64, 64}), {}});
  EXPECT_EQ(none.outcome.status, HN_OK) << none.outcome.text;
  const auto x = noise(2);
  const auto strided = x.permute({3, 1, 0, 2}).contiguous().permute({2, 1, 3, 0});
  ASSERT_FALSE(strided.is_contiguous());
  EXPECT_LE((generate.run({x}).outputs[0] - generate.run({strided}).outputs[0])
                .abs()
                .max()
                .item<double>(),
            1e-6);
}

TEST(SanaPlugin, LayersMemoryAndEmbeddings) {
  SanaSprint g;
  std::uint64_t n = 0;
  ErrorBuffer error;
  ASSERT_EQ(g.adapter->layer_count(g.instance, str("noise_net"), &n, error.get()), HN_OK);
  EXPECT_EQ(n, 1u + 5 + 2 + 6 * 11 + 1);
  hn_layer layer{};
  layer.struct_size = sizeof(layer);
  ASSERT_EQ(g.adapter->layer(g.instance, str("generate"), 0, &layer, error.get()), HN_OK);
  EXPECT_EQ(view(layer.name), "patch_embed.proj");
  EXPECT_EQ(layer.kind, HN_LAYER_CONV2D);
  EXPECT_EQ(layer.kernel_h, 2);
  EXPECT_EQ(g.adapter->layer_count(g.instance, str("decode"), &n, error.get()), HN_NOT_FOUND);
  EXPECT_GT(hn::used_bytes(*g.memory, g.instance), 30u << 20);
  g.memory->trim(g.instance, kCpu);

  g.prompts({kPrompts[0], kPrompts[1], "  A RED Apple "});
  ASSERT_EQ(g.cond->embedding_size(g.instance), 128u);
  std::vector<at::Tensor> pooled;
  for (const hn_cond* handle : g.handles) {
    pooled.push_back(at::full({128}, NAN));
    DLTensor out = borrow(pooled.back());
    ASSERT_EQ(g.cond->embedding(g.instance, handle, kCpu, &out, error.get()), HN_OK)
        << error.text();
    EXPECT_GT(g.cond->size_bytes(g.instance, handle), 128u * 4);
  }
  EXPECT_TRUE(at::equal(pooled[0], pooled[2]));
  EXPECT_FALSE(at::equal(pooled[0], pooled[1]));
}

TEST(SanaPlugin, PlanGrowsWithTheBatch) {
  SanaSprint g;
  g.prompts({kPrompts[0]});
  hn_fn* fn = nullptr;
  ErrorBuffer error;
  const Options none;
  ASSERT_EQ(g.fn->open(g.instance, str("generate"), reinterpret_cast<const hn_config*>(&none), &fn,
                       error.get()),
            HN_OK);
  std::uint64_t last = 0;
  for (const std::int64_t batch : {1, 4}) {
    const auto x = noise(batch), image = at::empty({batch, 3, 64, 64});
    const DLTensor in = borrow(x), out = borrow(image);
    const DLTensor *ins[] = {&in}, *outs[] = {&out};
    hn_call call{};
    call.struct_size = sizeof(call), call.flags = HN_CALL_WANT_GRAD, call.stream = kCpu;
    call.cond = g.handles.data(), call.n_cond = 1, call.in = ins, call.n_in = 1, call.out = outs,
    call.n_out = 1;
    hn_plan plan{sizeof(hn_plan), 0, 0, 0};
    ASSERT_EQ(g.fn->plan(fn, &call, &plan, error.get()), HN_OK) << error.text();
    EXPECT_GT(plan.saved_bytes, last);
    EXPECT_GE(plan.peak_bytes, plan.saved_bytes);
    last = plan.saved_bytes * 3;
  }
  g.fn->close(fn);
}

TEST(SanaPlugin, MistakesInCallsAndOptionsAreNamed) {
  SanaSprint g;
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
  refuses("generate", {{"width", I{60}}}, HN_INVALID_ARGUMENT,
          "multiples of 16 above 0, got 60 x 64");
  refuses("generate", {{"height", I{0}}}, HN_INVALID_ARGUMENT, "multiples of 16");
  refuses("generate", {{"steps", I{0}}}, HN_INVALID_ARGUMENT, "1 to 1000, got 0");
  refuses("generate", {{"steps", std::string("two")}}, HN_INVALID_ARGUMENT, "steps");
  refuses("noise_net", {}, HN_INVALID_ARGUMENT, "lora.rank");
  refuses("noise_net", {{"lora.rank", I{2}}, {"lora.targets", List{"to_w", "proj_out"}}},
          HN_INVALID_ARGUMENT, "\"to_w\"");
  refuses("noise_net", {{"lora.rank", I{2}}, {"lora.targets", List{"re:(", "proj_out"}}},
          HN_INVALID_ARGUMENT, "regular expression");
  refuses("noise_net", {{"lora.rank", I{2}}, {"lora.targets", List{"conv_depth", "proj_out"}}},
          HN_INVALID_ARGUMENT, "1280 groups");
  refuses("generate", {{"lora.rank", I{-1}}}, HN_INVALID_ARGUMENT, "got -1");

  Opened generate(g, "generate");
  EXPECT_EQ(generate.run({at::zeros({2, 16, 8, 9})}).outcome.status, HN_INVALID_ARGUMENT);
  EXPECT_EQ(generate.run({at::zeros({3, 16, 8, 8})}).outcome.status,
            HN_INVALID_ARGUMENT);  // two prompts for three samples
  cancelled() = 1;
  EXPECT_EQ(generate.run({noise(2)}).outcome.status, HN_CANCELLED);
  cancelled() = 0;
  EXPECT_EQ(generate.run({noise(2)}, {}, 0, HN_CALL_DETERMINISTIC).outcome.status, HN_OK);
}

TEST(SanaPlugin, Bfloat16StaysNearFloat32) {
  SanaSprint wide, half({{"weights", kEmoji.string()}, {"dtype", std::string("bfloat16")}});
  wide.prompts(kPrompts);
  half.prompts(kPrompts);
  Opened a(wide, "generate"), b(half, "generate");
  const auto want = a.run({noise(2)}).outputs[0], got = b.run({noise(2)}).outputs[0];
  EXPECT_LT((want - got).abs().mean().item<double>(), 0.01);
  EXPECT_EQ(SanaSprint::try_create({{"weights", kEmoji.string()}, {"dtype", std::string("float8")}})
                .status,
            HN_UNSUPPORTED);
  EXPECT_EQ(
      SanaSprint::try_create({{"weights", kEmoji.string()}, {"device", std::string("tpu")}}).status,
      HN_UNSUPPORTED);
}

}  // namespace
}  // namespace hn::test
