// my_reward_cuda: how close a picture's brightness is to a wanted one, by two CUDA kernels of one's
// own: the score, and its vector-Jacobian product. No LibTorch: pointers, strides and the stream
// come with each call.
//
// Forward keeps nothing but a pointer: inputs stay valid and unchanged until their Saved goes, so
// backward reads the picture once more.
#include <algorithm>
#include <hn/cpp/plugin.hpp>

#include "kernels.hpp"

namespace my_reward_cuda {
namespace {

// What CUDA said, as one of hn's codes.
void require(int problem, const char* what) {
  if (problem == 0) return;
  const hn_status code = out_of_memory(problem) ? HN_OUT_OF_MEMORY
                         : device_lost(problem) ? HN_DEVICE_LOST
                                                : HN_INTERNAL;
  throw hn::Error(code, std::string("[my_reward_cuda] ") + what + ": " + error_text(problem));
}

int device_of(const hn_stream& stream) {
  if (stream.device_type != kDLCUDA || stream.handle == 0)
    throw hn::Error(HN_UNSUPPORTED,
                    "[my_reward_cuda] expected a CUDA stream, got DLPack device type " +
                        std::to_string(stream.device_type) + ", handle " +
                        std::to_string(stream.handle));
  return stream.device_id;
}

// The address of element 0, which every tensor of a call must have on the stream's device.
float* on_device(const DLTensor& t, const hn_stream& stream, const std::string& what) {
  if (t.device.device_type != kDLCUDA || t.device.device_id != stream.device_id)
    throw hn::Error(HN_INVALID_ARGUMENT, "[my_reward_cuda] expected " + what +
                                             " on cuda:" + std::to_string(stream.device_id) +
                                             ", got DLPack device " +
                                             std::to_string(t.device.device_type) + ":" +
                                             std::to_string(t.device.device_id));
  float* address = hn::data_of<float>(t);
  if (reinterpret_cast<std::uintptr_t>(address) % alignof(float) != 0)
    throw hn::Error(HN_UNSUPPORTED,
                    "[my_reward_cuda] expected " + what + " on an address that 4 divides");
  return address;
}

Image image_of(const DLTensor& t, const hn_stream& stream, const std::string& what) {
  return {on_device(t, stream, what),
          t.shape[0],
          t.shape[2],
          t.shape[3],
          {t.strides[0], t.strides[1], t.strides[2], t.strides[3]}};
}

struct Kept final : hn::Saved {
  explicit Kept(const DLTensor& t) : image(t) {}
  const DLTensor& image;  // the host's, until this goes
};

class Score final : public hn::Function {
 public:
  explicit Score(double target) : target_(target) {
    inputs_ = {
        {"image_rgb01", "image_rgb01", {HN_DIM_BATCH, 3, HN_DIM_ANY, HN_DIM_ANY}, HN_SLOT_DIFF}};
    outputs_ = {{"score", "score", {HN_DIM_BATCH}, HN_SLOT_DIFF}};
  }

  std::unique_ptr<hn::Saved> forward(const hn::Call& call) override {
    call.require_data();
    const hn_stream stream = call.raw().stream;
    const OnDevice device(device_of(stream));
    require(device.problem(), "device");
    const DLTensor &in = *call.in(0), &out = *call.out(0);
    if (call.batch() > 0) {
      const Image image = image_of(in, stream, "image_rgb01");
      if (image.height == 0 || image.width == 0)
        throw hn::Error(HN_INVALID_ARGUMENT,
                        "[my_reward_cuda] expected image_rgb01 with H and W above 0, got " +
                            hn::shape_text(hn::shape_of(in)));
      require(launch_score(image, {on_device(out, stream, "score"), out.strides[0]}, target_,
                           stream.handle),
              "forward");
    }
    return call.want_grad() ? std::make_unique<Kept>(in) : nullptr;
  }

  void backward(hn::Saved& saved, const hn_vjp& vjp) override {
    const OnDevice device(device_of(vjp.stream));
    require(device.problem(), "device");
    const DLTensor* grad = vjp.n_in > 0 ? vjp.grad[0] : nullptr;             // null: not wanted
    const DLTensor* cotangent = vjp.n_out > 0 ? vjp.cotangent[0] : nullptr;  // null: zero
    const DLTensor& in = static_cast<Kept&>(saved).image;
    if (grad == nullptr || in.shape[0] == 0) return;
    if (grad->ndim != 4 || !std::equal(in.shape, in.shape + 4, grad->shape) ||
        !hn::same_dtype(grad->dtype, hn::kFloat32))
      throw hn::Error(HN_INVALID_ARGUMENT,
                      "[my_reward_cuda] expected the gradient of image_rgb01 as float32 " +
                          hn::shape_text(hn::shape_of(in)) + ", got " +
                          hn::dtype_name(grad->dtype) + " " + hn::shape_text(hn::shape_of(*grad)));
    Numbers above{nullptr, 0};
    if (cotangent != nullptr)
      above = {on_device(*cotangent, vjp.stream, "the cotangent"), cotangent->strides[0]};
    const bool add = vjp.accumulate != nullptr && vjp.accumulate[0] != 0;
    require(launch_gradient(image_of(in, vjp.stream, "image_rgb01"), above,
                            image_of(*grad, vjp.stream, "the gradient"), add, target_,
                            vjp.stream.handle),
            "backward");
  }

 private:
  double target_;
};

class MyRewardCuda final : public hn::Instance {
 public:
  MyRewardCuda(const hn::Host& host, const hn::Config& config)
      : Instance(host), target_(config.f64("org.example.target", 0.25)) {
    const std::string device = config.str("device", "cuda");
    const std::string number = device == "cuda"                ? "0"
                               : device.rfind("cuda:", 0) == 0 ? device.substr(5)
                                                               : "";
    if (number.empty() || number.size() > 2 ||
        number.find_first_not_of("0123456789") != std::string::npos)
      throw hn::Error(
          HN_UNSUPPORTED,
          "[my_reward_cuda] runs on CUDA devices alone: expected device cuda or cuda:N, got " +
              device);
    int problem = 0;
    const int count = device_count(&problem);
    if (std::stoi(number) >= count)
      throw hn::Error(HN_UNSUPPORTED,
                      "[my_reward_cuda] expected a CUDA device for " + device + ", there are " +
                          std::to_string(count) +
                          (problem == 0 ? "" : std::string(": ") + error_text(problem)));
  }

  std::unique_ptr<hn::Function> open(std::string_view name, const hn::Config&) override {
    if (name != "score") throw unknown_function(name);
    return std::make_unique<Score>(target_);
  }

 private:
  double target_;
};

}  // namespace
}  // namespace my_reward_cuda

HN_PLUGIN(my_reward_cuda::MyRewardCuda, "org.example.reward.my_reward_cuda", "0.1.0");
