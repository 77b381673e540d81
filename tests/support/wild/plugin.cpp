// A reward (the mean of a picture, moved by its prompt) that does what a worker process has to
// survive: the option `deed` says what, `at` in which call. Deeds that a sandbox refuses end the
// process where they succeed, and change nothing where they are refused.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cfenv>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <hn/cpp/plugin.hpp>
#include <thread>

namespace {

using namespace hn;

// Not optimised away, and no address that a compiler could know.
volatile std::intptr_t g_zero = 0;

[[noreturn]] void succeeded() { std::_Exit(77); }

void hang() {
  for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
}

struct Deeds {
  std::string deed, at, once, path;
  std::int64_t after = 0, calls = 0;
  const Host* host = nullptr;

  bool due(std::string_view where) {
    if (at != where || calls++ < after) return false;
    if (once.empty()) return true;
    if (std::ifstream(once).good()) return false;
    std::ofstream(once) << "done\n";
    return true;
  }
  // past, before: a tensor of the call; may be NULL.
  void maybe(std::string_view where, float* tensor = nullptr, std::int64_t count = 0) {
    if (!due(where)) return;
    if (deed == "segv") *reinterpret_cast<volatile int*>(g_zero) = 1;
    if (deed == "abort") std::abort();
    if (deed == "exit") std::exit(3);
    if (deed == "exit0") std::exit(0);
    if (deed == "hang") hang();
    if (deed == "throw") throw std::runtime_error("thrown on purpose");
    if (deed == "rounding") std::fesetround(FE_UPWARD);
    if (deed == "chatter")
      for (;;) host->log(HN_LOG_INFO, "still here");
    if (deed == "leak") leak();
    if (deed == "wait_for_cancel") wait_for_cancel();
    if (deed == "past" && tensor != nullptr) tensor[count] = 1;
    if (deed == "before" && tensor != nullptr) tensor[-1] = 1;
    if (deed == "far" && tensor != nullptr) tensor[std::int64_t{1} << 28] = 1;
    forbidden();
  }
  // What a sandbox keeps out.
  void forbidden() const {
    if (deed == "socket" && ::socket(AF_INET, SOCK_STREAM, 0) >= 0) succeeded();
    if (deed == "unix_socket" && ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0) succeeded();
    if (deed == "write" && ::open(path.c_str(), O_WRONLY | O_CREAT, 0600) >= 0) succeeded();
    if (deed == "append" && ::open(path.c_str(), O_RDWR | O_APPEND) >= 0) succeeded();
    if (deed == "unlink" && ::unlink(path.c_str()) == 0) succeeded();
    if (deed == "rename" && ::rename(path.c_str(), (path + ".moved").c_str()) == 0) succeeded();
    if (deed == "chmod" && ::chmod(path.c_str(), 0777) == 0) succeeded();
    if (deed == "truncate" && ::truncate(path.c_str(), 0) == 0) succeeded();
    if (deed == "mkdir" && ::mkdir((path + ".d").c_str(), 0700) == 0) succeeded();
    if (deed == "read_others" && ::open("/etc/passwd", O_RDONLY) >= 0) succeeded();
    if (deed == "read_own" && ::open(path.c_str(), O_RDONLY) < 0) succeeded();  // that is allowed
    if (deed == "fork") {
      const pid_t child = ::fork();
      if (child == 0) ::_exit(0);
      if (child > 0) succeeded();
    }
    if (deed == "exec") {
      ::execl("/bin/true", "true", nullptr);
      return;  // it failed
    }
    if (deed == "kill_host" && ::kill(::getppid(), 0) == 0) succeeded();
    if (deed == "thread") {
      int done = 0;  // threads are allowed
      std::thread([&] { done = 1; }).join();
      if (done == 0) succeeded();
    }
  }
  static void leak() {
    for (;;) {
      char* block = static_cast<char*>(std::malloc(16 << 20));
      if (block == nullptr) throw std::bad_alloc();
      for (std::size_t i = 0; i < (16u << 20); i += 4096) block[i] = 1;
    }
  }
  void wait_for_cancel() const {
    for (std::uint64_t i = 0;; ++i) {
      host->progress("waiting", i, 0);
      if (host->cancelled()) throw Error(HN_CANCELLED, "[wild] stopped");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
};

struct Words final : Cond {
  std::uint64_t size_bytes() const override { return 100; }
  float value = 0;
};

class Mean final : public Function {
 public:
  explicit Mean(Deeds& deeds) : deeds_(deeds) {
    inputs_ = {
        {"image_rgb01", "image_rgb01", {HN_DIM_BATCH, 3, HN_DIM_ANY, HN_DIM_ANY}, HN_SLOT_DIFF}};
    outputs_ = {{"score", "score", {HN_DIM_BATCH}, HN_SLOT_DIFF},
                {"largest", "column", {HN_DIM_BATCH}, HN_SLOT_OPTIONAL}};
    flags_ = HN_FN_NEEDS_COND;
  }
  std::unique_ptr<Saved> forward(const Call& call) override {
    const DLTensor& image = *call.in(0);
    auto kept = std::make_unique<Kept>(deeds_);
    kept->numbers = image.shape[1] * image.shape[2] * image.shape[3];
    for (std::int64_t b = 0; b < call.batch(); ++b) {
      const float* pixels = data_of<float>(image) + b * image.strides[0];
      float sum = 0, largest = pixels[0];
      for (std::int64_t i = 0; i < kept->numbers; ++i) {
        sum += pixels[i];
        largest = std::max(largest, pixels[i]);
      }
      data_of<float>(*call.out(0))[b] =
          sum / static_cast<float>(kept->numbers) + call.cond<Words>(b).value;
      if (call.out(1) != nullptr) data_of<float>(*call.out(1))[b] = largest;
    }
    deeds_.maybe("forward", data_of<float>(*call.out(0)), call.batch());
    return call.want_grad() ? std::move(kept) : nullptr;
  }
  void backward(Saved& saved, const hn_vjp& vjp) override {
    const auto& kept = static_cast<Kept&>(saved);
    const DLTensor& grad = *vjp.grad[0];
    const bool add = vjp.accumulate != nullptr && vjp.accumulate[0] != 0;
    for (std::int64_t b = 0; b < grad.shape[0]; ++b)
      for (std::int64_t i = 0; i < kept.numbers; ++i) {
        float& g = data_of<float>(grad)[b * grad.strides[0] + i];
        const float own = data_of<float>(*vjp.cotangent[0])[b] / static_cast<float>(kept.numbers);
        g = add ? g + own : own;
      }
    deeds_.maybe("backward", data_of<float>(grad), element_count(grad));
  }

 private:
  struct Kept final : Saved {
    explicit Kept(Deeds& d) : deeds(d) {}
    ~Kept() override { deeds.maybe("saved_release"); }
    Deeds& deeds;
    std::int64_t numbers = 0;
  };
  Deeds& deeds_;
};

class Wild final : public Instance {
 public:
  Wild(const Host& host, const Config& config) : Instance(host) {
    deeds_.deed = config.str("deed", "");
    deeds_.at = config.str("at", "forward");
    deeds_.after = config.i64("after", 0);
    deeds_.once = config.str("once", "");
    deeds_.path = config.str("path", "");
    deeds_.host = &this->host();
    this->host().log(HN_LOG_INFO, "wild is here");
    deeds_.maybe("create");
  }
  ~Wild() override { deeds_.maybe("destroy"); }
  std::unique_ptr<Function> open(std::string_view name, const Config&) override {
    if (name != "score") throw unknown_function(name);
    deeds_.maybe("open");
    return std::make_unique<Mean>(deeds_);
  }
  bool has_cond() const override { return true; }
  std::uint32_t prompt_fields() const override { return HN_PROMPT_NEGATIVE | HN_PROMPT_TENSORS; }
  std::vector<std::unique_ptr<Cond>> encode(std::span<const Prompt> prompts, hn_stream) override {
    std::vector<std::unique_ptr<Cond>> made;
    for (const Prompt& prompt : prompts) {
      if (prompt.text() == "refused") throw Error(HN_INVALID_ARGUMENT, "[wild] not this prompt");
      auto words = std::make_unique<Words>();
      words->value = 0.001f * static_cast<float>(prompt.text().size()) -
                     0.002f * static_cast<float>(prompt.negative().size());
      if (const DLTensor* mask = prompt.tensor("mask")) words->value += data_of<float>(*mask)[0];
      made.push_back(std::move(words));
    }
    deeds_.maybe("encode");
    return made;
  }
  std::uint64_t embedding_size() const override { return 2; }
  void embedding(const Cond& cond, hn_stream, const DLTensor& out) override {
    data_of<float>(out)[0] = static_cast<const Words&>(cond).value;
    data_of<float>(out)[1] = 7;
  }
  std::vector<MemoryUse> memory_use() const override { return {{{kDLCPU, 0}, 123}}; }

 private:
  Deeds deeds_;
};

}  // namespace

HN_PLUGIN(Wild, "hn.reward.wild", "0.1.0");
