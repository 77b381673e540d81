// Expressions of peft's configurations: the first line is the expression, the rest a layer's name.
#include "core/python_pattern.hpp"

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <stdexcept>

#include "fuzz/fuzz.hpp"

HN_FUZZ_TARGET(python_pattern) {
  const std::size_t end = std::min(input.find('\n'), input.size());
  const std::string expression(input.substr(0, end));
  const std::string layer(input.substr(std::min(end + 1, input.size())));
  hn::fuzz::read([&] {
    try {
      const hn::core::PythonPattern pattern(expression);
      static_cast<void>(pattern.matches(layer));
      static_cast<void>(pattern.matches_end_of(layer));
    } catch (const std::invalid_argument& refusal) {
      throw hn::Error(HN_UNSUPPORTED, refusal.what());
    }
  });
}
