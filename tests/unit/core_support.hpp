// Sessions over the fake plugins, and adapters as plain numbers.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <hn/formats/safetensors.hpp>

#include "core/core_session.hpp"
#include "support/fake_plugins.hpp"

namespace hn::core::test {

using Numbers = std::map<std::string, std::vector<float>>;

inline constexpr const char* kA = "base_model.model.net.0.to_q.lora_A.weight";
inline constexpr const char* kB = "base_model.model.net.0.to_q.lora_B.weight";

inline RewardSpec quadratic(const std::string& name = "quad", double weight = 2) {
  RewardSpec r;
  r.plugin = {fake::reward_plugin(), "test.reward.quadratic", ""};
  r.name = name;
  r.weight = weight;
  r.loss_target = 1;
  return r;
}

inline SessionSpec fake_spec() {
  SessionSpec s;
  s.generator.plugin = {fake::generator_plugin(), "test.generator.linear", ""};
  s.generator.name = "linear";
  s.rewards = {quadratic()};
  s.net.rank = 2;
  s.net.alpha = 4;
  s.train.prompts = {"a red cat", "two dogs", "a kite", "five ducks", "a cup"};
  s.train.batch = 4;
  s.train.steps = 20;
  s.train.lr = 1e-2;
  s.train.warmup = 0;
  s.train.clip = 0;
  s.seed = 7;
  s.threads = 1;
  return s;
}

// A folder of this test, removed at its end. Checks that the plugins got everything back.
class CoreTest : public ::testing::Test {
 public:
  ~CoreTest() override {
    std::filesystem::remove_all(folder_);
    const fake::State& s = fake::state();
    EXPECT_EQ(s.saved, 0);
    EXPECT_EQ(s.functions, 0);
    EXPECT_EQ(s.conds, 0);
    EXPECT_EQ(s.instances, 0);
  }

 protected:
  CoreTest() {
    fake::State& s = fake::state();
    s.fault.clear();
    s.after = s.times = 0;
    s.refuse_determinism = false;
    s.calls.clear();
    s.read.clear();
    s.encode_calls = s.encoded = s.trims = 0;
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              ("hn-" + std::string(info->test_suite_name()) + "-" + info->name() + "-" +
               std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  std::filesystem::path folder_;
};

// The code and text of what body throws.
struct Failure {
  hn_status code = HN_OK;
  std::string text;
};
template <class Body>
Failure failure_of(Body&& body) {
  try {
    body();
  } catch (const Error& e) {
    return {e.code(), e.what()};
  }
  return {};
}
#define EXPECT_FAILS(code_, matcher, ...)                                    \
  do {                                                                       \
    const auto failure = ::hn::core::test::failure_of([&] { __VA_ARGS__; }); \
    EXPECT_EQ(failure.code, code_) << failure.text;                          \
    EXPECT_THAT(failure.text, matcher);                                      \
  } while (0)

inline Numbers read_numbers(const std::filesystem::path& file) {
  Numbers numbers;
  const SafetensorsFile opened = SafetensorsFile::open(file);
  for (const TensorView& t : opened.tensors()) {
    if (t.dtype != TensorDtype::kF32) continue;
    std::vector<float>& values = numbers[t.name];
    values.resize(t.nbytes / 4);
    std::memcpy(values.data(), t.data, t.nbytes);
  }
  return numbers;
}

inline Numbers adapter_of(Session& session, const std::filesystem::path& scratch) {
  session.save_adapter(scratch / "read");
  return read_numbers(scratch / "read" / "adapter_model.safetensors");
}

// Puts these numbers into the session through a PEFT folder that it wrote itself.
inline void set_adapter(Session& session, const Numbers& numbers,
                        const std::filesystem::path& scratch, std::int64_t rank = 2) {
  session.save_adapter(scratch / "set");
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, values] : numbers) {
    const std::vector<std::int64_t> shape = name == kA
                                                ? std::vector<std::int64_t>{rank, fake::kNoise}
                                                : std::vector<std::int64_t>{fake::kNoise, rank};
    tensors.push_back({name, TensorDtype::kF32, shape, values.data(), values.size() * 4});
  }
  write_safetensors(scratch / "set" / "adapter_model.safetensors", tensors);
  session.load_adapter(scratch / "set");
}

// An adapter away from its start, where every gradient is different from zero.
inline Numbers busy_adapter(std::int64_t rank = 2) {
  Numbers n;
  for (int i = 0; i < fake::kNoise * rank; ++i) {
    n[kA].push_back(0.3f * std::sin(1.0f + static_cast<float>(i)));
    n[kB].push_back(0.2f * std::cos(2.0f + 3 * static_cast<float>(i)));
  }
  return n;
}

inline double largest_difference(const Numbers& a, const Numbers& b) {
  double largest = 0;
  EXPECT_EQ(a.size(), b.size());
  for (const auto& [name, values] : a) {
    EXPECT_EQ(values.size(), b.at(name).size());
    for (std::size_t i = 0; i < values.size(); ++i)
      largest = std::max(largest, std::abs(static_cast<double>(values[i]) - b.at(name)[i]));
  }
  return largest;
}

}  // namespace hn::core::test
