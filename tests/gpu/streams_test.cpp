// Order on streams: a call's work stands on the stream that it was given, and nowhere else.
//
// Work is made slow by a running sum over a long column, which one block of threads computes alone:
// it holds a stream back and leaves the rest of the device free.
#include <c10/core/Event.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "gpu/gpu_support.hpp"

namespace hn::gpu {
namespace {

using Clock = std::chrono::steady_clock;

c10::impl::VirtualGuardImpl cuda() { return c10::impl::VirtualGuardImpl(at::kCUDA); }
c10::Stream side_stream() { return cuda().getStreamFromGlobalPool(device(), false); }
c10::Stream legacy_stream() { return cuda().getDefaultStream(device()); }
// The ABI's 2, the default stream of the calling thread.
c10::Stream per_thread_stream() { return c10::Stream(c10::Stream::UNSAFE, device(), 2); }
hn_stream handle_of(const c10::Stream& stream) {
  const auto native = reinterpret_cast<std::uint64_t>(stream.native_handle());
  return {kDLCUDA, stream.device_index(), native == 0 ? 1 : native};
}
c10::Event mark(const c10::Stream& stream) {
  c10::Event event(at::kCUDA);
  event.record(stream);
  return event;
}

double seconds_of(const std::function<void()>& body) {
  const auto begin = Clock::now();
  body();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Queues about so much time on the stream; a zero that is there when it is over.
at::Tensor hold_back(const c10::Stream& stream, double seconds) {
  const c10::StreamGuard guard(stream);
  static const at::Tensor column = at::ones({1 << 16, 2}, device());
  static const double each = [&] {
    at::cumsum(column, 0);
    cuda().synchronizeStream(cuda().getStream(device()));
    return seconds_of([&] {
      at::cumsum(column, 0);
      cuda().synchronizeStream(cuda().getStream(device()));
    });
  }();
  at::Tensor sum;
  const auto rounds = static_cast<int>(seconds / each) + 1;
  for (int i = 0; i < rounds; ++i) sum = at::cumsum(column, 0);
  return sum[0][0] * 0;
}

at::Tensor read_on(const c10::Stream& stream, const at::Tensor& x) {
  const c10::StreamGuard guard(stream);
  return x.to(at::kCPU);
}

// A function of an opened model with its inputs, and the results of an undisturbed call.
struct Subject {
  Subject(const std::string& plugin, const Options& options, const std::string& function,
          const Options& of_function)
      : instance(plugin, options) {
    if (instance.cond != nullptr) instance.prompts(prompts());
    opened.emplace(instance, function, of_function);
    inputs = inputs_of(*opened, 2, device());
    cotangents = cotangents_of(*opened, 2, device());
    want = opened->run(inputs, cotangents);
    EXPECT_EQ(want.outcome.text, "");
    legacy_stream().synchronize();  // what comes now may be read on any stream
  }
  std::vector<at::Tensor> room_for_grads() const {
    std::vector<at::Tensor> grads;
    for (const auto& x : inputs) grads.push_back(at::full_like(x, NAN));
    return grads;
  }

  Generator instance;
  std::optional<Opened> opened;
  std::vector<at::Tensor> inputs, cotangents;
  Opened::Result want;
};

std::vector<std::unique_ptr<Subject>> subjects() {
  std::vector<std::unique_ptr<Subject>> all;
  for (const Model& model : models()) {
    const Options options = options_for(model, device_name());
    all.push_back(std::make_unique<Subject>(model.plugin, options, "noise_net",
                                            Options{{"lora.rank", I{4}}}));
    all.push_back(std::make_unique<Subject>(model.plugin, options, "generate", Options{}));
  }
  all.push_back(
      std::make_unique<Subject>("clip", Options{{"device", device_name()}}, "score", Options{}));
  return all;
}

TEST_F(StreamTest, InputsThatAreLateOnTheStreamAreWaitedFor) {
  for (const auto& subject : subjects()) {
    Subject& s = *subject;
    for (const c10::Stream& stream : {side_stream(), per_thread_stream(), legacy_stream()}) {
      SCOPED_TRACE(s.opened->in[0].name + " on handle " + std::to_string(handle_of(stream).handle));
      std::vector<at::Tensor> late, outputs, grads, cotangents;
      std::optional<c10::Event> there;
      {
        const c10::StreamGuard guard(stream);
        for (const auto& x : s.inputs) late.push_back(at::full_like(x, NAN));
        for (const auto& c : s.cotangents) cotangents.push_back(at::full_like(c, NAN));
        outputs = s.opened->room(2);
        grads = s.room_for_grads();
        const at::Tensor zero = hold_back(stream, 0.1);
        for (std::size_t i = 0; i < late.size(); ++i) late[i].copy_(s.inputs[i] + zero);
        there.emplace(mark(stream));
      }
      EXPECT_FALSE(there->query()) << "the input was there before the call: nothing was shown";
      Opened::Pass pass(*s.opened, late, outputs);
      ASSERT_EQ(pass.forward(true, handle_of(stream)).text, "");
      {
        const c10::StreamGuard guard(stream);
        const at::Tensor zero = hold_back(stream, 0.1);
        for (std::size_t i = 0; i < cotangents.size(); ++i)
          cotangents[i].copy_(s.cotangents[i] + zero);
        there.emplace(mark(stream));
      }
      EXPECT_FALSE(there->query()) << "the cotangent was there before the call";
      ASSERT_EQ(pass.backward(cotangents, grads, handle_of(stream)).text, "");
      for (std::size_t i = 0; i < outputs.size(); ++i)
        EXPECT_LE(distance(read_on(stream, outputs[i]), s.want.outputs[i]), 1e-5);
      for (std::size_t i = 0; i < grads.size(); ++i)
        EXPECT_LE(distance(read_on(stream, grads[i]), s.want.grads[i]), 1e-4);
    }
  }
}

// The default stream is busy for longer than the whole call; it is still busy when the call's
// results are there.
TEST_F(StreamTest, TheDefaultStreamIsNeitherUsedNorWaitedFor) {
  for (const auto& subject : subjects()) {
    Subject& s = *subject;
    const c10::Stream stream = side_stream();
    std::vector<at::Tensor> outputs, grads;
    const auto call = [&] {
      {
        const c10::StreamGuard guard(stream);
        outputs = s.opened->room(2);
        grads = s.room_for_grads();
      }
      Opened::Pass pass(*s.opened, s.inputs, outputs);
      ASSERT_EQ(pass.forward(true, handle_of(stream)).text, "");
      ASSERT_EQ(pass.backward(s.cotangents, grads, handle_of(stream)).text, "");
      stream.synchronize();
    };
    legacy_stream().synchronize();
    call();  // handles and workspaces of this stream
    const double takes = seconds_of(call);
    hold_back(legacy_stream(), 0.5 + 10 * takes);
    const c10::Event busy = mark(legacy_stream());
    call();
    EXPECT_FALSE(busy.query()) << s.opened->in[0].name
                               << ": the call waited for the default stream, or took 0.5 s";
    for (std::size_t i = 0; i < outputs.size(); ++i)
      EXPECT_LE(distance(read_on(stream, outputs[i]), s.want.outputs[i]), 1e-5);
    for (std::size_t i = 0; i < grads.size(); ++i)
      EXPECT_LE(distance(read_on(stream, grads[i]), s.want.grads[i]), 1e-4);
    legacy_stream().synchronize();
  }
}

// What a plugin keeps between calls belongs to no stream: a call on one that is held back must not
// leave half-made values to a call on another.
TEST_F(StreamTest, AFreshInstanceServesTwoStreamsThatDoNotKnowOfEachOther) {
  for (const Model& model : models()) {
    Subject reference(model.plugin, options_for(model, device_name()), "generate", {});
    Generator fresh(model.plugin, options_for(model, device_name()));
    fresh.prompts(prompts());
    legacy_stream().synchronize();  // the prompts' handles are the host's to order
    Opened generate(fresh, "generate");
    const c10::Stream a = side_stream(), b = side_stream();
    ASSERT_NE(a, b);
    std::vector<at::Tensor> on_a, on_b;
    {
      const c10::StreamGuard guard(a);
      on_a = generate.room(2);
      hold_back(a, 0.2);
    }
    {
      const c10::StreamGuard guard(b);
      on_b = generate.room(2);
    }
    Opened::Pass first(generate, reference.inputs, on_a), second(generate, reference.inputs, on_b);
    ASSERT_EQ(first.forward(false, handle_of(a)).text, "");
    ASSERT_EQ(second.forward(false, handle_of(b)).text, "");
    for (std::size_t i = 0; i < on_b.size(); ++i) {
      EXPECT_LE(distance(read_on(b, on_b[i]), reference.want.outputs[i]), 1e-5) << model.name;
      EXPECT_LE(distance(read_on(a, on_a[i]), reference.want.outputs[i]), 1e-5) << model.name;
    }
  }
}

// Autograd runs backward on a thread of its own; between the two streams stands one event.
TEST_F(StreamTest, BackwardOnAnotherThreadAndStreamAfterAnEvent) {
  for (const auto& subject : subjects()) {
    Subject& s = *subject;
    const c10::Stream a = side_stream(), b = side_stream();
    for (int round = 0; round < 10; ++round) {
      std::vector<at::Tensor> outputs, grads;
      {
        const c10::StreamGuard guard(a);
        outputs = s.opened->room(2);
        hold_back(a, 0.01);
      }
      Opened::Pass pass(*s.opened, s.inputs, outputs);
      ASSERT_EQ(pass.forward(true, handle_of(a)).text, "");
      const c10::Event done = mark(a);
      Outcome outcome;
      std::thread([&] {
        b.wait(done);
        {
          const c10::StreamGuard guard(b);
          grads = s.room_for_grads();
        }
        outcome = pass.backward(s.cotangents, grads, handle_of(b));
      }).join();
      ASSERT_EQ(outcome.text, "");
      {
        // Memory that the backward gave back may be taken anew at once, by the forward's stream.
        const c10::StreamGuard guard(a);
        for (const auto& g : grads) at::full_like(g, NAN);
      }
      for (std::size_t i = 0; i < grads.size(); ++i)
        EXPECT_LE(distance(read_on(b, grads[i]), s.want.grads[i]), 1e-4) << round;
    }
  }
}

// A handle whose prompt was encoded on one stream is used on another after an event.
TEST_F(StreamTest, PromptsAreEncodedOnTheStream) {
  for (const Model& model : models()) {
    Subject reference(model.plugin, options_for(model, device_name()), "generate", {});
    Generator& g = reference.instance;
    const c10::Stream a = side_stream(), b = side_stream();
    hold_back(a, 0.1);
    g.stream = handle_of(a);
    g.prompts(prompts());
    b.wait(mark(a));
    g.stream = handle_of(b);
    std::vector<at::Tensor> outputs;
    {
      const c10::StreamGuard guard(b);
      outputs = reference.opened->room(2);
    }
    hold_back(b, 0.1);
    Opened::Pass pass(*reference.opened, reference.inputs, outputs);
    ASSERT_EQ(pass.forward(false, g.stream).text, "");
    // Handles may be released while the call that read them is under way; their memory is then not
    // the other stream's to write to.
    for (hn_cond* handle : g.handles) g.cond->release(g.instance, handle, g.stream);
    g.handles.clear();
    {
      const c10::StreamGuard guard(a);
      for (I size = 64; size < (1 << 20); size *= 2) at::full({size}, NAN, device());
    }
    EXPECT_LE(distance(read_on(b, outputs[0]), reference.want.outputs[0]), 1e-5) << model.name;
  }
}

TEST_F(StreamTest, TheCallersSettingsAreKept) {
  Subject s("sana_sprint", options_for(models()[0], device_name()), "generate", {});
  const c10::Stream callers = side_stream(), given = side_stream();
  const c10::StreamGuard guard(callers);
  const auto before = c10::get_default_dtype();
  for (const bool grad : {true, false}) {
    const c10::AutoGradMode mode(grad);
    c10::set_default_dtype(caffe2::TypeMeta::Make<double>());
    const auto unchanged = [&](const char* after) {
      EXPECT_EQ(cuda().getStream(device()), callers) << after;
      EXPECT_EQ(cuda().getDevice(), device()) << after;
      EXPECT_EQ(c10::GradMode::is_enabled(), grad) << after;
      EXPECT_FALSE(c10::InferenceMode::is_enabled()) << after;
      EXPECT_EQ(c10::get_default_dtype(), caffe2::TypeMeta::Make<double>()) << after;
    };
    s.instance.stream = handle_of(given);
    s.instance.prompts(prompts());
    unchanged("encode");
    std::vector<at::Tensor> outputs, grads = s.room_for_grads();
    for (const auto& o : s.want.outputs) outputs.push_back(at::full_like(o, NAN));
    callers.synchronize();
    Opened::Pass pass(*s.opened, s.inputs, outputs);
    EXPECT_EQ(pass.forward(true, handle_of(given)).text, "");
    unchanged("forward");
    EXPECT_EQ(pass.backward(s.cotangents, grads, handle_of(given)).text, "");
    unchanged("backward");
    Opened::Pass refused(*s.opened, s.inputs, outputs);
    EXPECT_EQ(refused.forward(true, hn_stream{kDLCUDA, device().index(), 0}).status,
              HN_INVALID_ARGUMENT);
    unchanged("a call that was refused");
    c10::set_default_dtype(before);
    EXPECT_LE(distance(read_on(given, grads[0]), s.want.grads[0]), 1e-4);
  }
}

TEST_F(StreamTest, AModelOnTheSecondDeviceLeavesTheFirstCurrent) {
  if (cuda().deviceCount() < 2) GTEST_SKIP() << "one CUDA device: there is no second";
  const Options options = options_for(models()[0], "cuda:1");
  Generator second("sana_sprint", options),
      first("sana_sprint", options_for(models()[0], "cuda:0"));
  for (Generator* g : {&first, &second}) g->prompts(prompts());
  const Values want = run(first, "generate", {}), got = run(second, "generate", {});
  EXPECT_TRUE(close(got, want, kFloat32));
  EXPECT_EQ(cuda().getDevice().index(), 0);
}

}  // namespace
}  // namespace hn::gpu
