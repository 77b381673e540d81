// One case of the paired run against Python, through hnhost.h: the same work as
// tests/python/bench_peer.py, the same JSON.
//
//   bench_session CASE [--threads N] [--warm-up N] [--repeats N]      prints one line of JSON
#include <hnhost/hnhost.h>
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <hn/cpp/error.hpp>
#include <hn/cpp/tensor.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr std::int64_t kTrainBatch = 16;

// Contiguous float32 in host memory, with its view.
struct Buffer {
  explicit Buffer(std::vector<std::int64_t> dims) : shape(std::move(dims)), strides(shape.size()) {
    std::int64_t n = 1;
    for (std::size_t d = shape.size(); d-- > 0;) {
      strides[d] = n;
      n *= shape[d];
    }
    data.resize(static_cast<std::size_t>(n));
    view = {data.data(),
            {kDLCPU, 0},
            static_cast<std::int32_t>(shape.size()),
            hn::kFloat32,
            shape.data(),
            strides.data(),
            0};
  }
  std::vector<std::int64_t> shape, strides;
  std::vector<float> data;
  DLTensor view{};
};

std::string config_of(const std::string& name, int threads) {
  const std::string reward = name == "train_clip" ? "clip" : "redness";
  return "generator = \"emoji-sprint\"\nseed = 0\nthreads = " + std::to_string(threads) +
         "\n[[reward]]\nname = \"" + reward + "\"\nweight = 1.0\n[net]\nrank = 16\nalpha = 32.0\n" +
         "[train]\nprompts = \"model:train_full\"\nbatch = " + std::to_string(kTrainBatch) +
         "\nlr = 1e-3\nreg_weight = 1.0\nclip = 1.0\nsteps = 1000\n";
}

std::function<void()> call_of(hnhost_session* session, const std::string& name) {
  if (name.starts_with("train_")) {
    return [session] {
      hn::ErrorBuffer error;
      hn::check(hnhost_train(session, 1, nullptr, error.get()), error);
    };
  }
  const bool adapted = name.starts_with("adapted_");
  const std::int64_t batch = std::atoll(name.substr(name.rfind('b') + 1).c_str());
  auto images = std::make_shared<Buffer>(std::vector<std::int64_t>{batch, 3, 64, 64});
  auto texts = std::make_shared<std::vector<std::string>>();
  for (std::int64_t i = 0; i < batch; ++i)
    texts->push_back(i % 2 == 0 ? "a red car and a blue star" : "three dogs on a green background");
  return [=] {
    std::vector<hnhost_prompt> prompts(texts->size());
    std::vector<const hnhost_prompt*> each;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      prompts[i].struct_size = sizeof prompts[i];
      prompts[i].text = hn::str((*texts)[i]);
      each.push_back(&prompts[i]);
    }
    hnhost_sample_args args{};
    args.struct_size = sizeof args;
    args.flags = adapted ? 0u : HNHOST_SAMPLE_UNADAPTED;
    args.prompts = each.data();
    args.n_prompts = each.size();
    args.images = &images->view;
    hn::ErrorBuffer error;
    hn::check(hnhost_sample(session, &args, error.get()), error);
  };
}

void run(const std::string& name, int threads, int warm_up, int repeats) {
  hn::ErrorBuffer error;
  hnhost* host = nullptr;
  hn::check(hnhost_open(nullptr, &host, error.get()), error);
  hnhost_session* session = nullptr;
  const std::string config = config_of(name, threads);
  hnhost_session_args args{};
  args.struct_size = sizeof args;
  args.config = hn::str(config);
  hn::check(hnhost_session_open(host, &args, &session, error.get()), error);
  const auto call = call_of(session, name);
  for (int i = 0; i < warm_up; ++i) call();
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    call();
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf(
      "{\"median_s\": %.5f, \"min_s\": %.5f, \"max_s\": %.5f, \"repeats\": %zu, \"peak_rss_mib\": "
      "%.1f}\n",
      seconds[seconds.size() / 2], seconds.front(), seconds.back(), seconds.size(),
      static_cast<double>(usage.ru_maxrss) / 1024);
  hnhost_session_close(session);
  hnhost_close(host);
}

}  // namespace

int main(int argc, char** argv) {
  // As the command does it, see host/cli/main.cpp.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  std::map<std::string, int> option = {{"--threads", 2}, {"--warm-up", 3}, {"--repeats", 15}};
  if (argc < 2) {
    std::fprintf(stderr, "usage: bench_session CASE [--threads N] [--warm-up N] [--repeats N]\n");
    return 2;
  }
  for (int i = 2; i + 1 < argc; i += 2) option[argv[i]] = std::atoi(argv[i + 1]);
  hn::ErrorBuffer error;
  const hn_status status = hn::guard(error.get(), [&] {
    run(argv[1], option["--threads"], option["--warm-up"], option["--repeats"]);
  });
  if (status != HN_OK) std::fprintf(stderr, "bench_session: %s\n", error.text().c_str());
  return status == HN_OK ? 0 : 1;
}
