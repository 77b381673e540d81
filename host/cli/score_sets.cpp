#include "score_sets.hpp"

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "ask.hpp"
#include "numbers.hpp"
#include "table.hpp"

namespace hn::cli {
namespace {

std::string percent(const nlohmann::json& share) {
  if (!share.is_number()) return "-";
  return number_cell(100 * share.get<double>()) + " %";
}

void print_comparison(const nlohmann::json& parsed) {
  std::vector<std::vector<std::string>> rows = {
      {"reward", "A", "B", "B - A", "beyond 2 SE", "B wins", "95 % interval", "ties"}};
  for (const auto& reward : parsed.at("rewards")) {
    const auto& rate = reward.at("win_rate_b");
    rows.push_back({reward.at("name").get<std::string>(), number_cell(reward.at("a").at("mean")),
                    number_cell(reward.at("b").at("mean")),
                    difference_cell(reward.at("difference")),
                    reward.at("verdict").get<std::string>(), percent(rate.at("rate")),
                    percent(rate.at("low")) + " to " + percent(rate.at("high")),
                    std::to_string(reward.at("ties").get<std::size_t>())});
  }
  std::cout << table_text(rows, {false, true, true, true, false, true, true, true});
}

}  // namespace

void SetFlags::add_to(CLI::App& verb) {
  reward.add_to(verb);
  verb.add_option("--weights", weights, "A reward's weights; repeat")
      ->type_name("NAME=DIR")
      ->take_all()
      ->allow_extra_args(false);
  verb.add_option("--prompts", prompts_file,
                  "One prompt a line, or a .csv, .tsv or .jsonl with image and prompt")
      ->type_name("FILE");
  verb.add_option("--prompt", prompts, "A prompt; repeat. One serves all pictures")
      ->type_name("TEXT")
      ->take_all()
      ->allow_extra_args(false);
  add_integer(verb, "--batch", batch, kBatches, "Pictures of one size at a time [16]");
  add_integer(verb, "--decoders", decoders, kThreads,
              "Threads that decode pictures; 0 = all cores");
  add_integer(verb, "--max-pixels", max_pixels, kPixels, "Larger pictures are refused [178956970]");
  verb.add_flag("--exif-orientation", exif_orientation,
                "Turn pictures as their EXIF data say [as they are stored]");
  setup.add_to(verb);
}

void SetFlags::check(const char* verb) const {
  if (reward.rewards.empty() && setup.config.empty())
    throw UsageError(HN_INVALID_ARGUMENT, std::string("[") + verb +
                                              "] expected --reward NAME, got none; hnhost rewards "
                                              "shows them");
  const WeightFolders folders = parse_weights(weights);
  if (!folders.generator.empty())
    throw UsageError(HN_INVALID_ARGUMENT, std::string("[") + verb +
                                              "] expected --weights NAME=DIR, got " +
                                              folders.generator + "; no generator is loaded here");
}

std::string SetFlags::config() const {
  Overlay overlay;
  // train = false: a score-only reward is welcome here.
  reward.lay(overlay, parse_weights(weights), /*trained=*/false);
  if (max_pixels) overlay.set("pictures.max_pixels", std::to_string(*max_pixels));
  if (exif_orientation) overlay.set("pictures.exif_orientation", "true");
  setup.lay(overlay);
  return overlay.over_file(setup.config);
}

std::string SetFlags::request() const {
  std::string text =
      "config = " + toml_text(config()) + "\nbatch = " + std::to_string(batch) + "\n";
  if (decoders) text += "decoders = " + std::to_string(*decoders) + "\n";
  if (!prompts_file.empty()) text += "prompts_file = " + toml_text(prompts_file) + "\n";
  if (!prompts.empty()) text += "prompts = " + toml_list(prompts) + "\n";
  return text;
}

int compare_sets(const SetFlags& flags, const std::vector<std::string>& sets,
                 const Command& command) {
  flags.check("compare");
  if (sets.size() != 2)
    throw UsageError(HN_INVALID_ARGUMENT,
                     "[compare] expected two sets of pictures, got " + std::to_string(sets.size()));
  const std::string request =
      flags.request() + "a = " + toml_list({sets[0]}) + "\nb = " + toml_list({sets[1]}) + "\n";
  const std::string text = ask(command, hnhost_compare_sets, request);
  if (command.json) {
    print_json(text);
    return kOk;
  }
  const auto parsed = nlohmann::json::parse(text);
  print_comparison(parsed);
  std::cerr << parsed.at("pairs").get<std::size_t>()
            << " pairs; without a partner: " << parsed.at("only_in_a").get<std::size_t>()
            << " in A, " << parsed.at("only_in_b").get<std::size_t>() << " in B; "
            << parsed.at("errors").get<std::size_t>() << " pictures could not be scored\n";
  if (parsed.contains("first_error"))
    std::cerr << "the first: " << parsed.at("first_error").get<std::string>() << "\n";
  return kOk;
}

}  // namespace hn::cli
