#include <hn/torch/tensor.hpp>
#include <limits>

#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::HasSubstr;

class CoreSampler : public CoreTest {
 protected:
  static SampleRequest request(std::size_t count = 5) {
    SampleRequest r;
    for (std::size_t i = 0; i < count; ++i) r.prompts.push_back("prompt " + std::to_string(i));
    r.want_latents = r.want_delta = r.want_noise = true;
    r.seed = 3;
    return r;
  }
};
using Shape = std::vector<std::int64_t>;

TEST_F(CoreSampler, GivesWhatIsWanted) {
  const auto session = open_session(fake_spec(), {});
  EXPECT_EQ(session->shapes().noise, (Shape{2, 2, 2}));
  EXPECT_EQ(session->shapes().image, (Shape{3, 2, 2}));
  EXPECT_EQ(session->shapes().steps, 1);
  EXPECT_EQ(session->shapes().used_bytes, 1234u);
  set_adapter(*session, busy_adapter(), folder_);
  const SampleResult r = session->sample(request());
  EXPECT_EQ(r.images.shape, (Shape{5, 3, 2, 2}));
  EXPECT_EQ(r.latents.shape, (Shape{5, 2, 2, 2}));
  for (std::size_t i = 0; i < r.noise.data.size(); ++i)
    EXPECT_FLOAT_EQ(r.latents.data[i], r.noise.data[i] + r.delta.data[i]);
  SampleRequest none = request();
  none.want_images = none.want_latents = none.want_delta = none.want_noise = false;
  EXPECT_TRUE(session->sample(none).images.shape.empty());
}

TEST_F(CoreSampler, SamplesDoNotDependOnTheBatchSize) {
  SessionSpec spec = fake_spec();
  spec.generator.options["steps"] = std::int64_t{3};
  const auto session = open_session(spec, {});
  EXPECT_EQ(session->shapes().steps, 3);
  set_adapter(*session, busy_adapter(), folder_);
  const SampleResult whole = session->sample(request());
  for (const std::int64_t batch : {1, 2, 4, 5, 100}) {
    SampleRequest r = request();
    r.batch = batch;
    EXPECT_EQ(session->sample(r).images.data, whole.images.data) << batch;
  }
  const SampleResult first_two = session->sample(request(2));
  EXPECT_TRUE(std::equal(first_two.images.data.begin(), first_two.images.data.end(),
                         whole.images.data.begin()));
}

TEST_F(CoreSampler, UnadaptedIsTheBaseModel) {
  for (const NetKind kind : {NetKind::kHypernet, NetKind::kFinetune, NetKind::kNone}) {
    SessionSpec spec = fake_spec();
    spec.net.kind = kind;
    const auto session = open_session(spec, {});
    SampleRequest r = request();
    const SampleResult fresh = session->sample(r);
    if (kind != NetKind::kNone) set_adapter(*session, busy_adapter(), folder_);
    r.adapted = false;
    const SampleResult base = session->sample(r);
    EXPECT_EQ(base.images.data, fresh.images.data) << "an adapter begins as no change";
    EXPECT_EQ(base.delta.data, std::vector<float>(40, 0.0f));
    r.adapted = true;
    EXPECT_EQ(session->sample(r).images.data == base.images.data, kind == NetKind::kNone);
  }
}

TEST_F(CoreSampler, StrengthScalesWhatIsAdded) {
  const auto session = open_session(fake_spec(), {});
  set_adapter(*session, busy_adapter(), folder_);
  const SampleResult whole = session->sample(request());
  SampleRequest r = request();
  for (const double strength : {0.0, 0.5, -2.0}) {
    r.strength = strength;
    const SampleResult scaled = session->sample(r);
    for (std::size_t i = 0; i < whole.delta.data.size(); ++i) {
      EXPECT_FLOAT_EQ(scaled.delta.data[i], static_cast<float>(strength) * whole.delta.data[i]);
      EXPECT_FLOAT_EQ(scaled.latents.data[i], scaled.noise.data[i] + scaled.delta.data[i]);
    }
  }
  r.strength = std::numeric_limits<double>::infinity();
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("[sample] strength: expected a finite number"),
               session->sample(r));
  r.strength = 0.5;
  r.adapted = false;
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("there is no noise network"), session->sample(r));
  SessionSpec spec = fake_spec();
  spec.net.kind = NetKind::kNone;
  r.adapted = true;
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("there is no noise network"),
               open_session(spec, {})->sample(r));
  spec.net.kind = NetKind::kFinetune;
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("this adapter is a fine-tune"),
               open_session(spec, {})->sample(r));
}

TEST_F(CoreSampler, NoiseCanBeGiven) {
  SessionSpec spec = fake_spec();
  spec.generator.options["steps"] = std::int64_t{2};
  const auto session = open_session(spec, {});
  const SampleResult drawn = session->sample(request());
  SampleRequest r = request();
  r.seed = 99;
  r.noise = drawn.noise;
  r.step_noise = Tensor{{1, 5, 2, 2, 2}, std::vector<float>(40, 0.0f)};
  r.batch = 2;
  const SampleResult given = session->sample(r);
  EXPECT_EQ(given.noise.data, drawn.noise.data);
  EXPECT_NE(given.images.data, drawn.images.data) << "the steps' noise differs";
  r.step_noise->data.assign(40, 1.0f);
  const SampleResult shifted = session->sample(r);
  for (std::size_t i = 0; i < shifted.images.data.size(); ++i)
    EXPECT_NEAR(shifted.images.data[i] - given.images.data[i], 0.01, 1e-6);
}

TEST_F(CoreSampler, WhatIsNotFiniteIsNamed) {
  const auto session = open_session(fake_spec(), {});
  const auto poison = [](const char* point) {
    fake::state().fault = point;
    fake::state().after = 3;
    fake::state().times = 1;
  };
  SampleRequest r = request();
  r.batch = 2;
  poison("nan:offset");
  EXPECT_FAILS(HN_DATA_LOSS,
               HasSubstr("[sample] linear: the noise network's delta is not finite: nan at sample "
                         "3 (prompt 'prompt 3'; 1 of 8 numbers are not finite)"),
               session->sample(r));
  poison("inf:image");
  EXPECT_FAILS(HN_DATA_LOSS, HasSubstr("the picture is not finite: inf at sample 3 (prompt"),
               session->sample(r));
  r.noise = Tensor{{5, 2, 2, 2}, std::vector<float>(40, 0.5f)};
  r.noise->data[17] = std::nanf("");
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               HasSubstr("[sample: noise] expected finite numbers, got nan at sample 2"),
               session->sample(r));
}

TEST_F(CoreSampler, BadRequestsAreNamed) {
  const auto session = open_session(fake_spec(), {});
  SampleRequest r = request();
  r.noise = Tensor{{4, 2, 2, 2}, std::vector<float>(32)};
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               HasSubstr("[sample: noise] expected shape (5,2,2,2), got (4,2,2,2)"),
               session->sample(r));
  r.noise = Tensor{{5, 2, 2, 2}, std::vector<float>(7)};
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("means 40 numbers, got 7"), session->sample(r));
  r = request();
  r.step_noise = Tensor{{0, 5, 2, 2, 2}, {}};
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("step_noise was given, but linear runs 1 step"),
               session->sample(r));
  r = request();
  r.batch = 0;
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("[sample] batch: expected 1 or more, got 0"),
               session->sample(r));
  r = request();
  r.prompts[3] = "refused";
  EXPECT_FAILS(HN_INVALID_ARGUMENT, HasSubstr("prompt 'refused'"), session->sample(r));
  EXPECT_EQ(session->sample({}).images.shape, (Shape{0, 3, 2, 2})) << "no prompts, no pictures";
}

// What the C API does for its callers: their tensors in place of the request's and the result's.
TEST_F(CoreSampler, ReadsAndWritesTheCallersTensors) {
  const auto session = open_session(fake_spec(), {});
  set_adapter(*session, busy_adapter(), folder_);
  SampleRequest own = request();
  own.batch = 2;
  const SampleResult expected = session->sample(own);

  SampleRequest r = own;
  r.want_images = r.want_latents = r.want_delta = r.want_noise = false;
  // Every second row of twice as many, channels last, and behind an offset.
  const at::Tensor noise = at::full({10, 2, 2, 2}, std::nan(""), at::kFloat).slice(0, 1, 10, 2);
  noise.copy_(at::from_blob(const_cast<float*>(expected.noise.data.data()), {5, 2, 2, 2}));
  const at::Tensor images = at::full({5, 2, 2, 3}, -1.0f, at::kFloat).permute({0, 3, 1, 2});
  const at::Tensor latents = at::full({6, 2, 2, 2}, -1.0f, at::kFloat).slice(0, 1);
  const at::Tensor delta = at::full({5, 2, 2, 2}, -1.0f, at::kFloat);
  DLTensor views[4] = {borrow(noise), borrow(images), borrow(latents), borrow(delta)};
  views[2].data = static_cast<char*>(views[2].data) - 32;
  views[2].byte_offset = 32;
  r.tensors = {&views[0], nullptr, &views[1], &views[2], &views[3]};
  const SampleResult nothing = session->sample(r);
  EXPECT_TRUE(nothing.images.data.empty() && nothing.latents.data.empty());
  const auto numbers = [](const at::Tensor& t) {
    const at::Tensor flat = t.contiguous();
    return std::vector<float>(flat.const_data_ptr<float>(),
                              flat.const_data_ptr<float>() + flat.numel());
  };
  EXPECT_EQ(numbers(images), expected.images.data);
  EXPECT_EQ(numbers(latents), expected.latents.data);
  EXPECT_EQ(numbers(delta), expected.delta.data);

  r.adapted = false;
  (void)session->sample(r);
  EXPECT_EQ(numbers(delta), std::vector<float>(40, 0.0f))
      << "without a noise network there is none";
}

TEST_F(CoreSampler, TheCallersTensorsAreWrittenWholeOrNotAtAll) {
  const auto session = open_session(fake_spec(), {});
  SampleRequest r = request();
  r.batch = 1;
  r.want_images = r.want_latents = r.want_delta = r.want_noise = false;
  const at::Tensor images = at::full({5, 3, 2, 2}, -1.0f, at::kFloat);
  DLTensor view = borrow(images);
  r.tensors.images = &view;
  fake::state().fault = "inf:image";
  fake::state().after = 3;
  fake::state().times = 1;
  EXPECT_FAILS(HN_DATA_LOSS, HasSubstr("the picture is not finite"), session->sample(r));
  EXPECT_TRUE(images.eq(-1).all().item<bool>());
  std::int64_t wrong[] = {5, 3, 2, 1};
  view.shape = wrong;
  EXPECT_FAILS(HN_INVALID_ARGUMENT,
               HasSubstr("[sample: images] expected shape (5,3,2,2), got (5,3,2,1)"),
               session->sample(r));
}

TEST_F(CoreSampler, WhatAGeneratorLacksIsNamed) {
  SessionSpec spec = fake_spec();
  spec.generator.options["small"] = true;
  EXPECT_FAILS(HN_NOT_FOUND, HasSubstr("linear: open noise_net"), open_session(spec, {}));
  spec.net.kind = NetKind::kNone;
  const auto session = open_session(spec, {});
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("generate has no output 'latents'"),
               session->sample(request()));
}

TEST_F(CoreSampler, CancelStopsBetweenBatches) {
  bool stop = false;
  std::uint64_t done = 0;
  const auto session =
      open_session(fake_spec(), {{},
                                 [&] { return stop; },
                                 [&](std::string_view what, std::uint64_t d, std::uint64_t) {
                                   if (what == "sampling") done = d;
                                   stop = what == "sampling" && d == 2;
                                 }});
  SampleRequest r = request();
  r.batch = 1;
  EXPECT_FAILS(HN_CANCELLED, HasSubstr("[sample]"), session->sample(r));
  EXPECT_EQ(done, 2u);
}

}  // namespace
}  // namespace hn::core::test
