// Shared by the memory tests: options as a Config, and errors by code and text.
#pragma once

#include <hn/cpp/config.hpp>
#include <hn/cpp/error.hpp>

#include "support/generator_client.hpp"
#include "unit/sdk_test_files.hpp"

namespace hn::test {

// `options` must outlive the result.
inline Config config_of(const Options& options) {
  return {&options_host(), reinterpret_cast<const hn_config*>(&options)};
}

}  // namespace hn::test
