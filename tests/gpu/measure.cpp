// Times of one generator: text, noise network, denoiser, decoder, training step. One line of JSON.
//
//   gpu_measure GENERATOR DEVICE DTYPE PROMPTS_FILE [--weights DIR] [--size N] [--repeats N]
//               [--batch N] [--rank N]
//
// Parts are differences of whole calls through hnhost.h, each the median of the repeats:
//   text_ms       new prompts minus the same prompts again (the host keeps their encodings)
//   noise_net_ms  with the adapter minus without
//   denoise_ms    (four steps minus one) / 3
//   decode_ms     one step minus denoise
// Every call ends with the pictures in host memory, so the device has finished.
#include <hnhost/hnhost.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <hn/cpp/error.hpp>
#include <map>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Settings {
  std::string generator, device, dtype, prompts_file, weights;
  long size = 0, repeats = 5, batch = 1, rank = 16;
};

class Host {
 public:
  Host() {
    hn::ErrorBuffer error;
    hn::check(hnhost_open(nullptr, &raw_, error.get()), error);
  }
  ~Host() { hnhost_close(raw_); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  hnhost* raw() const { return raw_; }

 private:
  hnhost* raw_ = nullptr;
};

class Session {
 public:
  Session(const Host& host, const Settings& s, int steps) : batch_(s.batch) {
    std::string config = "generator = \"" + s.generator + "\"\ndevice = \"" + s.device +
                         "\"\ndtype = \"" + s.dtype + "\"\n";
    if (!s.weights.empty()) config += "weights = \"" + s.weights + "\"\n";
    config += "[generator_options]\nsteps = " + std::to_string(steps) + "\n";
    if (s.size > 0)
      config += "width = " + std::to_string(s.size) + "\nheight = " + std::to_string(s.size) + "\n";
    config += "[[reward]]\nname = \"redness\"\n[net]\nrank = " + std::to_string(s.rank) +
              "\nalpha = " + std::to_string(2 * s.rank) +
              ".0\n[train]\nsteps = 1000\nbatch = " + std::to_string(s.batch) + "\nprompts = \"" +
              s.prompts_file + "\"\n";
    hn::ErrorBuffer error;
    hn::check(hnhost_session_open(host.raw(), hn::str(config), &raw_, error.get()), error);
    hnhost_text* text = nullptr;
    hn::check(hnhost_session_describe(raw_, &text, error.get()), error);
    description_ = hn::view(hnhost_text_view(text));
    hnhost_text_free(text);
    shape_ = image_shape();
    data_.resize(static_cast<std::size_t>(shape_[0] * shape_[1] * shape_[2] * shape_[3]));
  }
  ~Session() { hnhost_session_close(raw_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::string& description() const { return description_; }

  // Seconds of one call; other prompts for each `salt`.
  double sample(bool adapted, int salt) {
    std::vector<std::string> texts;
    std::vector<hn_str> prompts;
    for (long i = 0; i < batch_; ++i)
      texts.push_back("a red cube on a green hill, number " + std::to_string(salt) + " of " +
                      std::to_string(i));
    for (const std::string& text : texts) prompts.push_back(hn::str(text));
    const std::int64_t strides[4] = {shape_[1] * shape_[2] * shape_[3], shape_[2] * shape_[3],
                                     shape_[3], 1};
    const DLTensor images = {data_.data(),
                             {kDLCPU, 0},
                             4,
                             {kDLFloat, 32, 1},
                             shape_.data(),
                             const_cast<std::int64_t*>(strides),
                             0};
    hnhost_sample_args args{};
    args.struct_size = sizeof args;
    args.flags = adapted ? 0u : HNHOST_SAMPLE_UNADAPTED;
    args.prompts = prompts.data();
    args.n_prompts = prompts.size();
    args.images = &images;
    return timed([&](hn_error* error) { return hnhost_sample(raw_, &args, error); });
  }
  double train() {
    return timed([&](hn_error* error) { return hnhost_train(raw_, 1, nullptr, error); });
  }

 private:
  static double timed(const std::function<hn_status(hn_error*)>& call) {
    const auto begin = Clock::now();
    hn::ErrorBuffer error;
    hn::check(call(error.get()), error);
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }
  // "image": [3, H, W] of the description, with the batch before it.
  std::vector<std::int64_t> image_shape() const {
    const std::size_t key = description_.find("\"image\"");
    std::size_t at = description_.find('[', key);
    if (key == std::string::npos || at == std::string::npos)
      throw hn::Error(HN_INTERNAL, "[gpu_measure] the session does not describe its image");
    std::vector<std::int64_t> shape = {batch_};
    for (int i = 0; i < 3; ++i) {
      at = description_.find_first_of("0123456789", at);
      char* end = nullptr;
      shape.push_back(std::strtoll(description_.c_str() + at, &end, 10));
      at = static_cast<std::size_t>(end - description_.c_str());
    }
    return shape;
  }

  hnhost_session* raw_ = nullptr;
  long batch_;
  std::string description_;
  std::vector<std::int64_t> shape_;
  std::vector<float> data_;
};

double median_of(long repeats, const std::function<double(int)>& call) {
  std::vector<double> seconds;
  for (long i = 0; i < repeats; ++i) seconds.push_back(call(static_cast<int>(i)));
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

void run(const Settings& s) {
  const Host host;
  std::map<std::string, double> ms;
  const auto begin = Clock::now();
  {
    Session one(host, s, 1);
    ms["load"] = std::chrono::duration<double>(Clock::now() - begin).count();
    one.sample(true, -1);
    const double fresh = median_of(s.repeats, [&](int i) { return one.sample(false, i); });
    const double plain = median_of(s.repeats, [&](int) { return one.sample(false, 0); });
    const double adapted = median_of(s.repeats, [&](int) { return one.sample(true, 0); });
    one.train();
    ms["train_step"] = median_of(s.repeats, [&](int) { return one.train(); });
    ms["one_step"] = plain;
    ms["text"] = fresh - plain;
    ms["noise_net"] = adapted - plain;
  }
  {
    Session four(host, s, 4);
    four.sample(false, 0);
    ms["four_steps"] = median_of(s.repeats, [&](int) { return four.sample(false, 0); });
  }
  ms["denoise"] = (ms["four_steps"] - ms["one_step"]) / 3;
  ms["decode"] = ms["one_step"] - ms["denoise"];
  std::printf("{\"generator\": \"%s\", \"device\": \"%s\", \"dtype\": \"%s\", \"batch\": %ld",
              s.generator.c_str(), s.device.c_str(), s.dtype.c_str(), s.batch);
  for (const auto& [name, value] : ms) std::printf(", \"%s_ms\": %.3f", name.c_str(), value * 1000);
  std::printf("}\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr,
                 "usage: gpu_measure GENERATOR DEVICE DTYPE PROMPTS_FILE [--weights DIR] "
                 "[--size N] [--repeats N] [--batch N] [--rank N]\n");
    return 2;
  }
  Settings s;
  s.generator = argv[1];
  s.device = argv[2];
  s.dtype = argv[3];
  s.prompts_file = argv[4];
  for (int i = 5; i + 1 < argc; i += 2) {
    const std::string key = argv[i];
    if (key == "--weights") s.weights = argv[i + 1];
    if (key == "--size") s.size = std::atol(argv[i + 1]);
    if (key == "--repeats") s.repeats = std::max(1L, std::atol(argv[i + 1]));
    if (key == "--batch") s.batch = std::max(1L, std::atol(argv[i + 1]));
    if (key == "--rank") s.rank = std::max(1L, std::atol(argv[i + 1]));
  }
  hn::ErrorBuffer error;
  const hn_status status = hn::guard(error.get(), [&] { run(s); });
  if (status != HN_OK) std::fprintf(stderr, "gpu_measure: %s\n", error.text().c_str());
  return status == HN_OK ? 0 : 1;
}
