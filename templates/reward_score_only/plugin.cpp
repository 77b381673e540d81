// my_reward_score_only: a reward around a black box. Each call writes the pictures and their
// prompts to a safetensors file and runs a program on it, which prints one number a picture.
// Nothing of the program is differentiated, so it measures and ranks; training by gradient refuses
// it by name.
#include <stdlib.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <hn/cpp/plugin.hpp>
#include <hn/formats/safetensors.hpp>
#include <hn/formats/text.hpp>
#include <map>

#include "program.hpp"

namespace my_reward_score_only {
namespace {

namespace fs = std::filesystem;

struct Asked final : hn::Cond {
  explicit Asked(std::string_view t) : text(t) {}
  std::uint64_t size_bytes() const override { return sizeof *this + text.size(); }
  std::string text;
};

// A folder of one call's own, gone with it.
struct CallFolder {
  CallFolder() {
    std::string name = (fs::temp_directory_path() / "my_reward_score_only.XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      throw hn::Error(HN_INTERNAL,
                      "[my_reward_score_only] cannot make " + name + ": " + std::strerror(errno));
    path = name;
  }
  CallFolder(const CallFolder&) = delete;
  CallFolder& operator=(const CallFolder&) = delete;
  ~CallFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

// float32 [B,3,H,W] with any strides -> the same numbers in C order.
std::vector<float> contiguous(const DLTensor& image) {
  std::vector<float> numbers;
  numbers.reserve(static_cast<std::size_t>(hn::element_count(image)));
  const char* first = static_cast<const char*>(image.data) + image.byte_offset;
  const std::int64_t *n = image.shape, *step = image.strides;
  for (std::int64_t b = 0; b < n[0]; ++b)
    for (std::int64_t c = 0; c < n[1]; ++c)
      for (std::int64_t y = 0; y < n[2]; ++y)
        for (std::int64_t x = 0; x < n[3]; ++x) {
          float value;  // a view may start at any byte
          std::memcpy(&value, first + 4 * (b * step[0] + c * step[1] + y * step[2] + x * step[3]),
                      4);
          numbers.push_back(value);
        }
  return numbers;
}

// One finite number a line, `count` of them.
std::vector<float> numbers_of(const std::string& printed, std::size_t count) {
  std::vector<float> numbers;
  for (std::size_t from = 0; from < printed.size();) {
    const std::size_t to = std::min(printed.find('\n', from), printed.size());
    const std::string_view line(printed.data() + from, to - from);
    from = to + 1;
    if (line.find_first_not_of(" \r\t") == line.npos) continue;
    float value = 0;
    const auto [end, problem] = std::from_chars(line.data(), line.data() + line.size(), value);
    const std::string_view rest(end, static_cast<std::size_t>(line.data() + line.size() - end));
    if (problem != std::errc() || rest.find_first_not_of(" \r\t") != rest.npos ||
        !std::isfinite(value))
      throw hn::Error(
          HN_INTERNAL,
          "[my_reward_score_only] expected one finite number a line, the program printed '" +
              std::string(line.substr(0, 100)) + "'");
    numbers.push_back(value);
  }
  if (numbers.size() != count)
    throw hn::Error(HN_INTERNAL, "[my_reward_score_only] expected " + std::to_string(count) +
                                     " numbers, one a picture, the program printed " +
                                     std::to_string(numbers.size()));
  return numbers;
}

class Score final : public hn::Function {
 public:
  Score(const hn::Host& host, fs::path folder, std::vector<std::string> command, double seconds)
      : host_(host), folder_(std::move(folder)), command_(std::move(command)), seconds_(seconds) {
    // No HN_SLOT_DIFF: that is what score-only means.
    inputs_ = {{"image_rgb01", "image_rgb01", {HN_DIM_BATCH, 3, HN_DIM_ANY, HN_DIM_ANY}}};
    outputs_ = {{"score", "score", {HN_DIM_BATCH}}};
    flags_ = HN_FN_NEEDS_COND;
  }

  std::unique_ptr<hn::Saved> forward(const hn::Call& call) override {
    call.require_data();
    const DLTensor &image = *call.in(0), &score = *call.out(0);
    for (const DLTensor* t : {&image, &score})
      if (t->device.device_type != kDLCPU && t->device.device_type != kDLCUDAHost)
        throw hn::Error(
            HN_UNSUPPORTED,
            "[my_reward_score_only] expected tensors in host memory, got DLPack device type " +
                std::to_string(t->device.device_type));
    if (call.batch() > 0) {
      const std::vector<float> numbers = ask(call, image);
      for (std::size_t b = 0; b < numbers.size(); ++b)
        std::memcpy(static_cast<char*>(score.data) + score.byte_offset +
                        4 * static_cast<std::int64_t>(b) * score.strides[0],
                    &numbers[b], 4);
    }
    return call.want_grad() ? std::make_unique<hn::Saved>() : nullptr;
  }

  void backward(hn::Saved&, const hn_vjp& vjp) override {
    for (std::uint64_t i = 0; i < vjp.n_in; ++i)
      if (vjp.grad[i] != nullptr)
        throw hn::Error(
            HN_UNSUPPORTED,
            "[my_reward_score_only] is score-only: there is no gradient of image_rgb01");
  }

 private:
  std::vector<float> ask(const hn::Call& call, const DLTensor& image) const {
    const std::vector<float> pixels = contiguous(image);
    std::map<std::string, std::string> prompts;
    for (std::int64_t b = 0; b < call.batch(); ++b)
      prompts["prompt_" + std::to_string(b)] = call.cond<Asked>(b).text;
    const CallFolder folder;
    const fs::path file = folder.path / "pictures.safetensors";
    const std::vector<hn::TensorToWrite> tensors = {{"image_rgb01",
                                                     hn::TensorDtype::kF32,
                                                     {image.shape, image.shape + 4},
                                                     pixels.data(),
                                                     pixels.size() * sizeof(float)}};
    hn::write_safetensors(file, tensors, prompts);
    std::vector<std::string> words = command_;
    words.push_back(file.string());
    const ProgramLimits limits{seconds_, std::size_t{1} << 20,
                               [this] { return host_.cancelled(); }};
    return numbers_of(run_program(words, folder_, limits), static_cast<std::size_t>(call.batch()));
  }

  const hn::Host& host_;
  fs::path folder_;
  std::vector<std::string> command_;
  double seconds_;
};

class MyRewardScoreOnly final : public hn::Instance {
 public:
  // Options: `weights`, the folder that the program runs in (the host passes that of the manifest's
  // [[models]], or the user's); `org.example.command`, its words; `org.example.timeout`, seconds a
  // call.
  MyRewardScoreOnly(const hn::Host& host, const hn::Config& config)
      : Instance(host),
        folder_(config.str("weights", "")),
        command_(config.list("org.example.command")),
        seconds_(config.f64("org.example.timeout", 60.0)) {
    if (command_.empty()) command_ = {"python3", "score.py"};
    if (!(seconds_ > 0))
      throw hn::Error(HN_INVALID_ARGUMENT,
                      "[my_reward_score_only] expected org.example.timeout above 0, got " +
                          std::to_string(seconds_));
    if (!fs::is_directory(folder_))
      throw hn::Error(
          HN_NOT_FOUND,
          "[my_reward_score_only] expected the option weights: the folder of the program, got '" +
              folder_.string() + "'");
    if (config.str("device", "cpu") != "cpu")
      throw hn::Error(
          HN_UNSUPPORTED,
          "[my_reward_score_only] takes pictures in host memory: expected device cpu, got " +
              config.str("device", "cpu"));
  }

  std::unique_ptr<hn::Function> open(std::string_view name, const hn::Config&) override {
    if (name != "score") throw unknown_function(name);
    return std::make_unique<Score>(this->host(), folder_, command_, seconds_);
  }

  bool has_cond() const override { return true; }
  std::vector<std::unique_ptr<hn::Cond>> encode(std::span<const hn::Prompt> prompts,
                                                hn_stream) override {
    std::vector<std::unique_ptr<hn::Cond>> handles;
    for (const hn::Prompt& prompt : prompts) {
      const std::string_view text = prompt.text();
      // The file's metadata is UTF-8, and so is what the program reads.
      if (hn::invalid_utf8(text) != std::string_view::npos)
        throw hn::Error(HN_INVALID_ARGUMENT,
                        "[my_reward_score_only] expected a prompt in UTF-8, got '" +
                            hn::escaped_bytes(text) + "'");
      handles.push_back(std::make_unique<Asked>(text));
    }
    return handles;
  }

 private:
  fs::path folder_;
  std::vector<std::string> command_;
  double seconds_;
};

}  // namespace
}  // namespace my_reward_score_only

HN_PLUGIN(my_reward_score_only::MyRewardScoreOnly, "org.example.reward.my_reward_score_only",
          "0.1.0");
