// Sessions of noise networks that are no LoRA, over the fake generator.
#pragma once

#include "unit/core_support.hpp"

namespace hn::core::test {

inline SessionSpec net_spec(NetKind kind, std::int64_t embedding = 0) {
  SessionSpec s = fake_spec();
  s.net = {};
  s.net.kind = kind;
  s.net.frequencies = 2;
  s.net.width = 6;
  s.net.depth = 2;
  s.train.reg_weight = 0.1;
  // Neither noise_net nor a LoRA is there.
  s.generator.options["small"] = true;
  if (embedding > 0) s.generator.options["embedding"] = embedding;
  return s;
}

inline Numbers net_of(Session& session, const std::filesystem::path& scratch) {
  session.save_adapter(scratch / "read");
  Numbers numbers = read_numbers(scratch / "read" / "noise_net.safetensors");
  EXPECT_FALSE(numbers.empty());
  return numbers;
}

inline const std::vector<std::pair<NetKind, std::int64_t>>& all_nets() {
  static const std::vector<std::pair<NetKind, std::int64_t>> nets = {
      {NetKind::kLowFrequency, 0}, {NetKind::kLowFrequency, 5}, {NetKind::kConstant, 0}};
  return nets;
}

}  // namespace hn::core::test
