#include "core/sampler.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/bound_function.hpp"
#include "core/draws.hpp"
#include "core/finite.hpp"
#include "core/host_tensor.hpp"
#include "core/noise_net.hpp"

namespace hn::core {
namespace {

// What a batch reads and writes: views of the request's and the result's memory, or memory beside
// the caller's tensors that is copied there at the end; or undefined.
struct Buffers {
  at::Tensor noise, step_noise;
  at::Tensor images, latents, delta, used_noise;
};

class Sampler {
 public:
  Sampler(GeneratorModel& generator, const Adapter* adapter, PromptCache& prompts,
          at::Device device, const SampleRequest& request)
      : generator_(generator),
        prompts_(prompts),
        device_(device),
        request_(request),
        net_(request.adapted && adapter != nullptr && is_noise_net(adapter->net().kind)
                 ? make_noise_net(generator, *adapter, NoiseGradient::kNone)
                 : nullptr),
        generate_(request.adapted && adapter != nullptr && !net_ ? *generator.adapted()
                                                                 : generator.generate()),
        slots_(GeneratorModel::slots(*generate_.fn)) {
    if (request.batch < 1)
      throw Error(HN_INVALID_ARGUMENT,
                  "[sample] batch: expected 1 or more, got " + std::to_string(request.batch));
    if ((request.want_latents || request.tensors.latents != nullptr) && slots_.latents < 0)
      throw Error(HN_UNSUPPORTED,
                  "[sample] " + generator.instance().name() + ": generate has no output 'latents'");
    if (!std::isfinite(request.strength))
      throw Error(HN_INVALID_ARGUMENT, "[sample] strength: expected a finite number");
    if (request.strength != 1 && !net_)
      throw Error(HN_UNSUPPORTED,
                  request.adapted && adapter != nullptr
                      ? "[sample] strength: it scales a noise network's offset, and this adapter "
                        "is a fine-tune of the generator, which has none"
                      : "[sample] strength: there is no noise network whose offset it could scale");
    if (request.adapted && adapter != nullptr && !net_) generate_.bind(*adapter, false);
  }

  SampleResult run() {
    SampleResult result;
    const auto count = static_cast<std::int64_t>(request_.prompts.size());
    Buffers buffers = open_buffers(count, result);
    const HostServices& services = generator_.instance().runtime().services;
    for (std::int64_t first = 0; first < count; first += request_.batch) {
      services.stop_if_cancelled("sample");
      run_batch(buffers, first, std::min(request_.batch, count - first));
      services.progress("sampling",
                        static_cast<std::uint64_t>(std::min(first + request_.batch, count)),
                        static_cast<std::uint64_t>(count));
    }
    if (buffers.images.defined()) hand_over(request_.tensors.images, buffers.images);
    if (buffers.latents.defined()) hand_over(request_.tensors.latents, buffers.latents);
    if (buffers.delta.defined()) hand_over(request_.tensors.delta, buffers.delta);
    return result;
  }

 private:
  Buffers open_buffers(std::int64_t count, SampleResult& result) const {
    Buffers b;
    const std::vector<std::int64_t> noise = join_shape({count}, generator_.noise_shape());
    const std::int64_t step_noises = generator_.steps() - 1;
    const SampleTensors& given = request_.tensors;
    if (given.noise != nullptr)
      b.noise = view_of(*given.noise, noise, "sample: noise");
    else if (request_.noise)
      b.noise = view_of(*request_.noise, noise, "sample: noise");
    if (b.noise.defined())
      if (const std::string bad = not_finite_rows(b.noise, request_.prompts); !bad.empty())
        throw Error(HN_INVALID_ARGUMENT, "[sample: noise] expected finite numbers, got " + bad);
    if (given.step_noise != nullptr || request_.step_noise) {
      if (slots_.step_noise < 0 || step_noises < 1)
        throw Error(HN_INVALID_ARGUMENT,
                    "[sample] step_noise was given, but " + generator_.instance().name() +
                        " runs " + std::to_string(generator_.steps()) + " step and takes none");
      const std::vector<std::int64_t> shape = join_shape({step_noises}, noise);
      b.step_noise = given.step_noise != nullptr
                         ? view_of(*given.step_noise, shape, "sample: step_noise")
                         : view_of(*request_.step_noise, shape, "sample: step_noise");
      if (const std::string bad = not_finite(b.step_noise); !bad.empty())
        throw Error(HN_INVALID_ARGUMENT,
                    "[sample: step_noise] expected finite numbers, got " + bad);
    }
    const auto open = [](bool wanted, Borrowed into, Tensor& own, std::vector<std::int64_t> shape,
                         const char* what) {
      if (into != nullptr) return at::empty(shape, view_of(*into, shape, what).options());
      return wanted ? allocate(own, std::move(shape)) : at::Tensor();
    };
    b.images = open(request_.want_images, given.images, result.images,
                    join_shape({count}, generator_.image_shape()), "sample: images");
    b.latents =
        open(request_.want_latents, given.latents, result.latents, noise, "sample: latents");
    b.delta = open(request_.want_delta, given.delta, result.delta, noise, "sample: delta");
    // Without a noise network there is no delta.
    if (b.delta.defined()) b.delta.zero_();
    if (request_.want_noise) b.used_noise = allocate(result.noise, noise);
    return b;
  }

  static void hand_over(Borrowed into, const at::Tensor& values) {
    if (into != nullptr) write_to(*into, values);
  }

  // Rows of given noise, or the numbers that belong to these samples.
  at::Tensor noise_of(const Buffers& b, std::int64_t first, std::int64_t n) const {
    if (b.noise.defined()) return b.noise.narrow(0, first, n);
    at::Tensor drawn = at::empty(join_shape({n}, generator_.noise_shape()), at::kFloat);
    Draws::eval_noise(request_.seed, static_cast<std::uint64_t>(first), drawn);
    return drawn;
  }
  at::Tensor step_noise_of(const Buffers& b, std::int64_t first, std::int64_t n) const {
    if (b.step_noise.defined()) return b.step_noise.narrow(1, first, n).contiguous();
    if (slots_.step_noise < 0 || generator_.steps() < 2) return {};
    at::Tensor drawn =
        at::empty(join_shape({generator_.steps() - 1, n}, generator_.noise_shape()), at::kFloat);
    Draws::eval_step_noise(request_.seed, static_cast<std::uint64_t>(first), drawn);
    return drawn;
  }

  void run_batch(Buffers& b, std::int64_t first, std::int64_t n) {
    const auto prompts = std::span(request_.prompts)
                             .subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(n));
    const PromptCache::Pins pins = prompts_.get(generator_.instance(), prompts);
    const auto options = at::TensorOptions(at::kFloat).device(device_);
    const auto rows = [&](const at::Tensor& buffer) { return buffer.narrow(0, first, n); };
    const auto require_finite = [&](const at::Tensor& values, const char* what) {
      const std::string bad = not_finite_rows(values, prompts, first);
      if (!bad.empty())
        throw Error(HN_DATA_LOSS, "[sample] " + generator_.instance().name() + ": " + what +
                                      " is not finite: " + bad);
    };

    // The caller's may have any strides; plugins get what they are tried with.
    at::Tensor x = noise_of(b, first, n).to(device_).contiguous();
    if (b.used_noise.defined()) rows(b.used_noise).copy_(x);
    if (net_) {
      const at::Tensor delta = at::empty(x.sizes(), options);
      (void)net_->forward(x, pins.handles(), delta, false);
      require_finite(delta, "the noise network's delta");
      if (request_.strength != 1) delta.mul_(request_.strength);
      if (b.delta.defined()) rows(b.delta).copy_(delta);
      x = x + delta;
    }
    if (!b.images.defined() && !b.latents.defined()) return;
    generate_.in[slots_.noise] = x;
    if (slots_.step_noise >= 0) {
      const at::Tensor step_noise = step_noise_of(b, first, n);
      generate_.in[static_cast<std::size_t>(slots_.step_noise)] =
          step_noise.defined() ? step_noise.to(device_) : step_noise;
    }
    const at::Tensor image = at::empty(join_shape({n}, generator_.image_shape()), options);
    generate_.out[slots_.image] = image;
    at::Tensor latents;
    if (b.latents.defined()) {
      latents = at::empty(join_shape({n}, generator_.noise_shape()), options);
      generate_.out[static_cast<std::size_t>(slots_.latents)] = latents;
    }
    generate_.rng_seed = request_.seed;
    generate_.rng_offset = static_cast<std::uint64_t>(first);
    generate_.forward(pins.handles(), false);
    if (latents.defined()) require_finite(latents, "the latents");
    require_finite(image, "the picture");
    if (b.images.defined()) rows(b.images).copy_(image);
    if (b.latents.defined()) rows(b.latents).copy_(latents);
  }

  GeneratorModel& generator_;
  PromptCache& prompts_;
  at::Device device_;
  const SampleRequest& request_;
  std::unique_ptr<NoiseNet> net_;
  BoundFunction generate_;
  GeneratorModel::GenerateSlots slots_;
};

}  // namespace

SampleResult sample(GeneratorModel& generator, const Adapter* adapter, PromptCache& prompts,
                    at::Device device, const SampleRequest& request) {
  return Sampler(generator, adapter, prompts, device, request).run();
}

}  // namespace hn::core
