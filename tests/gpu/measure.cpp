// One generator measured through hnhost.h: milliseconds of its parts and of a training step, and
// the most memory. One line of JSON.
//
//   gpu_measure ROW GENERATOR DEVICE DTYPE PROMPTS_FILE [--weights DIR] [--size N] [--repeats N]
//               [--batch N] [--rank N] [--reward NAME] [--parts times|train|both]
//               [--generator-option LINE]... [--train-option LINE]...
//
// Parts are differences of whole calls, each the median of the repeats:
//   text_ms       new prompts minus the same prompts again (the host keeps their encodings)
//   noise_net_ms  with the adapter minus without
//   denoise_ms    (four steps minus one) / 3
//   decode_ms     one step minus denoise
// Every call ends with the pictures in host memory, so the device has finished. Memory, in MiB:
//   *_peak        the most that LibTorch's allocator had handed out at once
//   *_reserved    the most that it held of the device
//   *_device      of the whole device in use at the end of that part, the driver's share included
// of sampling, of training (loading excluded), and with --parts train of loading and training.
#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gpu/session.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using hn::gpu::Host;
using hn::gpu::Numbers;
using hn::gpu::Session;

struct Settings {
  std::string row, generator, device, dtype, prompts_file, weights, reward = "clip";
  std::string parts = "both", generator_options, train_options;
  long size = 0, repeats = 5, batch = 1, rank = 16;
};

std::string config_of(const Settings& s, int steps) {
  std::string config = "generator = \"" + s.generator + "\"\ndevice = \"" + s.device +
                       "\"\ndtype = \"" + s.dtype + "\"\n";
  if (!s.weights.empty()) config += "weights = \"" + s.weights + "\"\n";
  config +=
      "[generator_options]\nsteps = " + std::to_string(steps) + "\n" + s.generator_options + "\n";
  if (s.size > 0)
    config += "width = " + std::to_string(s.size) + "\nheight = " + std::to_string(s.size) + "\n";
  return config + "[[reward]]\nname = \"" + s.reward +
         "\"\n[net]\nrank = " + std::to_string(s.rank) + "\nalpha = " + std::to_string(2 * s.rank) +
         ".0\n[train]\nsteps = 1000\nbatch = " + std::to_string(s.batch) + "\nprompts = \"" +
         s.prompts_file + "\"\n" + s.train_options + "\n";
}

double seconds_of(const std::function<void()>& call) {
  const auto begin = Clock::now();
  call();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double median_of(long repeats, const std::function<void(long)>& call) {
  std::vector<double> seconds;
  for (long i = 0; i < repeats; ++i) seconds.push_back(seconds_of([&] { call(i); }));
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

// Memory of the device, or of the process where there is none.
class Memory {
 public:
  Memory(bool gpu, std::map<std::string, double>& out) : gpu_(gpu), out_(out) {}
  void begin() const {
    if (!gpu_) return;
    at::accelerator::emptyCache();
    at::accelerator::resetPeakStats(0);
  }
  void end(const std::string& part) const {
    constexpr double kMiB = 1 << 20;
    if (!gpu_) {
      rusage usage{};
      getrusage(RUSAGE_SELF, &usage);
      out_[part + "_host_peak"] = static_cast<double>(usage.ru_maxrss) / 1024;
      return;
    }
    const auto stats = at::accelerator::getDeviceStats(0);
    out_[part + "_peak"] = static_cast<double>(stats.allocated_bytes[0].peak) / kMiB;
    out_[part + "_reserved"] = static_cast<double>(stats.reserved_bytes[0].peak) / kMiB;
    const auto [unused, total] = at::accelerator::getMemoryInfo(0);
    out_[part + "_device"] = static_cast<double>(total - unused) / kMiB;
  }

 private:
  bool gpu_;
  std::map<std::string, double>& out_;
};

class Measurement {
 public:
  explicit Measurement(const Settings& s) : s_(s), memory_(s.device.rfind("cuda", 0) == 0, mib_) {}

  void run() {
    {
      std::unique_ptr<Session> one;
      ms_["load"] = seconds_of([&] { one = std::make_unique<Session>(host_, config_of(s_, 1)); });
      if (s_.parts != "train") sample(*one);
      if (s_.parts != "times") train(*one);
    }
    if (s_.parts == "train") return print();
    memory_.begin();
    Session four(host_, config_of(s_, 4));
    Numbers images(four.shape("image", s_.batch));
    four.sample(prompts(0), false, images);
    ms_["four_steps"] =
        median_of(s_.repeats, [&](long) { four.sample(prompts(0), false, images); });
    memory_.end("four_steps");
    ms_["denoise"] = (ms_["four_steps"] - ms_["one_step"]) / 3;
    ms_["decode"] = ms_["one_step"] - ms_["denoise"];
    print();
  }

 private:
  std::vector<std::string> prompts(long salt) const {
    std::vector<std::string> texts;
    for (long i = 0; i < s_.batch; ++i)
      texts.push_back("a red cube on a green hill, number " + std::to_string(salt) + " of " +
                      std::to_string(i));
    return texts;
  }
  void sample(Session& session) {
    memory_.begin();
    Numbers images(session.shape("image", s_.batch));
    session.sample(prompts(-1), true, images);
    const double fresh =
        median_of(s_.repeats, [&](long i) { session.sample(prompts(i), false, images); });
    const auto again = [&](bool adapted) {
      return median_of(s_.repeats, [&](long) { session.sample(prompts(0), adapted, images); });
    };
    ms_["one_step"] = again(false);
    ms_["text"] = fresh - ms_["one_step"];
    ms_["noise_net"] = again(true) - ms_["one_step"];
    memory_.end("sample");
  }
  void train(Session& session) {
    if (s_.parts != "train") memory_.begin();
    const auto step = [&] {
      const Session::Step done = session.train();
      if (done.skipped) throw hn::Error(HN_INTERNAL, "[train] a step was not finite");
    };
    ms_["first_train_step"] = seconds_of(step);
    step();  // blocks that fit are kept from here on
    ms_["train_step"] = median_of(s_.repeats, [&](long) { step(); });
    memory_.end("train");
  }
  void print() const {
    std::printf("{\"row\": \"%s\", \"generator\": \"%s\", \"device\": \"%s\", \"dtype\": \"%s\"",
                s_.row.c_str(), s_.generator.c_str(), s_.device.c_str(), s_.dtype.c_str());
    std::printf(", \"size\": %ld, \"batch\": %ld, \"rank\": %ld", s_.size, s_.batch, s_.rank);
    for (const auto& [name, value] : ms_)
      std::printf(", \"%s_ms\": %.3f", name.c_str(), value * 1e3);
    for (const auto& [name, value] : mib_) std::printf(", \"%s_mib\": %.0f", name.c_str(), value);
    std::printf("}\n");
  }

  Settings s_;
  std::map<std::string, double> ms_, mib_;
  Memory memory_;
  Host host_;
};

Settings parse(int argc, char** argv) {
  if (argc < 6)
    throw hn::Error(HN_INVALID_ARGUMENT,
                    "expected ROW GENERATOR DEVICE DTYPE PROMPTS_FILE and flags, see measure.cpp");
  Settings s;
  std::string* const fixed[] = {&s.row, &s.generator, &s.device, &s.dtype, &s.prompts_file};
  for (int i = 0; i < 5; ++i) *fixed[i] = argv[i + 1];
  const std::map<std::string, std::string*> texts = {
      {"--weights", &s.weights}, {"--reward", &s.reward}, {"--parts", &s.parts}};
  const std::map<std::string, std::string*> lines = {{"--generator-option", &s.generator_options},
                                                     {"--train-option", &s.train_options}};
  const std::map<std::string, long*> numbers = {
      {"--size", &s.size}, {"--repeats", &s.repeats}, {"--batch", &s.batch}, {"--rank", &s.rank}};
  for (int i = 6; i < argc; i += 2) {
    const std::string key = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
    if (const auto text = texts.find(key); text != texts.end())
      *text->second = value;
    else if (const auto line = lines.find(key); line != lines.end())
      *line->second += value + "\n";
    else if (const auto number = numbers.find(key);
             number != numbers.end() && std::atol(value.c_str()) > 0)
      *number->second = std::atol(value.c_str());
    else
      throw hn::Error(HN_INVALID_ARGUMENT, "unknown or without a value: " + key + " " + value);
  }
  if (s.parts != "times" && s.parts != "train" && s.parts != "both")
    throw hn::Error(HN_INVALID_ARGUMENT, "--parts: expected times, train or both, got " + s.parts);
  return s;
}

}  // namespace

int main(int argc, char** argv) {
  hn::ErrorBuffer error;
  const hn_status status = hn::guard(error.get(), [&] { Measurement(parse(argc, argv)).run(); });
  if (status != HN_OK) std::fprintf(stderr, "gpu_measure: %s\n", error.text().c_str());
  return status == HN_OK ? 0 : 1;
}
