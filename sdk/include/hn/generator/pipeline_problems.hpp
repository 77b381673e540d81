// Everything that is wrong with a pipeline's folder, in one error.
#pragma once

#include <c10/util/Exception.h>

#include <filesystem>
#include <hn/cpp/error.hpp>
#include <hn/nn/weight_map.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hn {

// Gathers what the attempts at a pipeline's parts threw; finish() tells it all.
class PipelineProblems {
 public:
  // `model` begins the message, `folder` is what it is about.
  PipelineProblems(std::string model, std::filesystem::path folder)
      : model_(std::move(model)), folder_(std::move(folder)) {}

  // Runs `load` and answers whether it came through. A hn::Error is kept (one that finish() threw
  // as its several problems); every other exception passes.
  template <class F>
  bool attempt(F&& load) {
    try {
      std::forward<F>(load)();
      return true;
    } catch (const Several& inner) {
      add(inner.code(), inner.problems);
    } catch (const Error& error) {
      add(error.code(), {error.what()});
    }
    return false;
  }
  // A problem between parts: HN_DATA_LOSS "[model] FOLDER: TEXT".
  void refuse(const std::string& text) {
    add(HN_DATA_LOSS, {"[" + model_ + "] " + folder_.string() + ": " + text});
  }
  bool empty() const { return problems_.empty(); }

  // Throws what was kept: one problem as it came, several as a list with the first one's code.
  void finish() const;

 private:
  class Several : public Error {
   public:
    Several(hn_status code, const std::string& text, std::vector<std::string> all)
        : Error(code, text), problems(std::move(all)) {}
    std::vector<std::string> problems;
  };
  void add(hn_status code, const std::vector<std::string>& texts);

  std::string model_;
  std::filesystem::path folder_;
  hn_status code_ = HN_OK;
  std::vector<std::string> problems_;
};

// A module that `make` makes of a configuration and of `weights`. Where these are dry the
// configuration alone decides, so that what is refused is told with the name of its `file`, and an
// error of LibTorch's (sizes that no tensor has) becomes HN_DATA_LOSS.
template <class Make>
auto make_module(const std::string& model, const std::filesystem::path& file,
                 const WeightMap& weights, const Make& make) {
  if (!weights.device().is_meta()) return make();
  const auto named = [&](const char* what) {
    return "[" + model + "] " + file.string() + ": " + what;
  };
  try {
    return make();
  } catch (const Error& error) {
    throw Error(error.code(), named(error.what()));
  } catch (const c10::Error& error) {
    throw Error(HN_DATA_LOSS, named(error.what_without_backtrace()));
  }
}

// A part with a configuration and weights, each with its problems: reads the first, and has
// check_weights(config) open the files and compare them with it (nullptr where it could not be
// read).
template <class ReadConfig, class CheckWeights>
auto check_part(PipelineProblems& problems, const ReadConfig& read_config,
                const CheckWeights& check_weights) {
  std::optional<decltype(read_config())> config;
  problems.attempt([&] { config.emplace(read_config()); });
  problems.attempt([&] { check_weights(config ? &*config : nullptr); });
  return config;
}

// What a text encoder is read from besides its weights.
template <class Tokenizer, class Config>
struct TextParts {
  Tokenizer tokenizer;
  Config config;
};

// Reads both, has check_both(tokenizer, config, problems) compare them, and checks the weights as
// check_part(). Throws as problems.finish().
template <class ReadTokenizer, class ReadConfig, class CheckBoth, class CheckWeights>
auto read_text_parts(PipelineProblems problems, const ReadTokenizer& read_tokenizer,
                     const ReadConfig& read_config, const CheckBoth& check_both,
                     const CheckWeights& check_weights) {
  std::optional<decltype(read_tokenizer())> tokenizer;
  problems.attempt([&] { tokenizer.emplace(read_tokenizer()); });
  auto config = check_part(problems, read_config, check_weights);
  if (tokenizer && config) check_both(*tokenizer, *config, problems);
  problems.finish();
  return TextParts<decltype(read_tokenizer()), decltype(read_config())>{*std::move(tokenizer),
                                                                        *std::move(config)};
}

}  // namespace hn
