// hnhost score: rewards of pictures: files, folders and tables, requests from stdin, and tensors
// with gradients.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "command.hpp"
#include "overlay.hpp"
#include "progress.hpp"
#include "reward_flags.hpp"
#include "score_sets.hpp"
#include "shared_options.hpp"
#include "signals.hpp"
#include "standard_streams.hpp"
#include "stdin_lines.hpp"
#include "table.hpp"

namespace hn::cli {
namespace {

struct Options {
  SetFlags set;
  std::string images_in, scores_out, grad_out;
  std::vector<std::string> inputs, images;
  std::string out;
  bool from_stdin = false, strict = false;
};

constexpr const char* kFooter =
    "Examples:\n"
    "  hnhost score --reward clip cat.png --prompt 'a cat'\n"
    "  hnhost score --reward hps=1,clip --weights hps=DIR pictures/ --prompts prompts.csv \\\n"
    "      --out scores.jsonl          # the same command goes on where it was stopped\n"
    "  hnhost score --reward clip --stdin      # a request a line: {\"image\": PATH, \"prompt\": "
    "TEXT}\n"
    "  hnhost score --reward clip --images-in images.safetensors --prompts prompts.txt \\\n"
    "      --scores-out score.safetensors --grad-out grad.safetensors\n"
    "\nA picture without a score is a row with its reason; --strict then ends with 1. Prompts: "
    "one\nfor all, a text with one a line in order, a table with the columns image and prompt, "
    "else\n"
    "the prompts.jsonl, .csv or .tsv in their folder, else a .txt file beside each picture. "
    "--images-in reads `images` [B,3,H,W] in [0,1]; --scores-out "
    "writes\n`score` [B], --grad-out `image_grad` [B,3,H,W], the gradient of each picture's score.";

// The request of hnhost_score_files: tensors, and pictures of one size.
std::string tensor_request(const Options& o) {
  std::string request = o.set.request();
  const auto add_text = [&](const char* key, const std::string& value) {
    if (!value.empty()) request += std::string(key) + " = " + toml_text(value) + "\n";
  };
  add_text("images_in", o.images_in);
  if (!o.images.empty()) request += "images = " + toml_list(o.images) + "\n";
  add_text("scores_out", o.scores_out);
  add_text("grad_out", o.grad_out);
  return request;
}

void print_tensor_table(const nlohmann::json& parsed, const std::vector<std::string>& images) {
  std::vector<std::vector<std::string>> rows = {{"image"}};
  const auto count = parsed.at("images").get<std::size_t>();
  for (std::size_t i = 0; i < count; ++i)
    rows.push_back({i < images.size() ? images[i] : std::to_string(i)});
  rows.push_back({"mean"});
  for (const auto& reward : parsed.at("rewards")) {
    rows[0].push_back(reward.at("name").get<std::string>());
    for (std::size_t i = 0; i < count; ++i)
      rows[i + 1].push_back(number_cell(reward.at("scores").at(i)));
    rows.back().push_back(number_cell(reward.at("mean").at("mean")));
  }
  std::cout << table_text(rows, std::vector<bool>(rows[0].size(), true));
  for (const auto& reward : parsed.at("rewards"))
    if (reward.contains("errors"))
      for (const auto& error : reward.at("errors"))
        std::cerr << rows[error.at("image").get<std::size_t>() + 1][0] << ": "
                  << error.at("error").get<std::string>() << "\n";
}

// 1 where not one number came, and with --strict where one is missing.
int exit_code(const nlohmann::json& parsed, bool strict) {
  if (parsed.at("errors") == 0) return kOk;
  bool any = parsed.value("skipped", std::size_t{0}) > 0;
  for (const auto& reward : parsed.at("rewards"))
    any = any || (reward.contains("n") ? reward : reward.at("mean")).at("n") > 0;
  return any && !strict ? kOk : kFailure;
}

int score_tensors(const Options& o, const Command& command) {
  const HostHandle host(command);
  catch_signals();
  const auto progress = std::make_unique<Progress>("", command.quiet);
  const std::string request = tensor_request(o);
  const std::string text = answer([&](hnhost_text** out, hn_error* error) {
    return hnhost_score_files(host.get(), str(request), progress->hooks(), out, error);
  });
  const auto parsed = nlohmann::json::parse(text);
  if (command.json)
    print_json(text);
  else
    print_tensor_table(parsed, o.images);
  return exit_code(parsed, o.strict);
}

void print_set_table(const nlohmann::json& parsed) {
  std::vector<std::vector<std::string>> rows = {{"image"}};
  for (const auto& reward : parsed.at("rewards"))
    rows[0].push_back(reward.at("name").get<std::string>());
  std::vector<bool> right(rows[0].size(), true);
  right[0] = false;
  if (parsed.contains("rows"))
    for (const auto& row : parsed.at("rows")) {
      std::vector<std::string> cells = {row.at("image").get<std::string>()};
      for (const auto& reward : parsed.at("rewards"))
        cells.push_back(number_cell(row.at("scores").at(reward.at("name").get<std::string>())));
      if (row.contains("error")) cells.push_back(row.at("error").get<std::string>());
      rows.push_back(std::move(cells));
    }
  rows.push_back({"mean"});
  for (const auto& reward : parsed.at("rewards"))
    rows.back().push_back(number_cell(reward.at("mean")));
  std::cout << table_text(rows, right);
}

int score_set(const Options& o, const Command& command) {
  const HostHandle host(command);
  catch_signals();
  const auto progress = std::make_unique<Progress>("", command.quiet);
  std::string request = o.set.request() + "inputs = " + toml_list(o.inputs) + "\n";
  if (!o.out.empty()) request += "out = " + toml_text(o.out) + "\n";
  const std::string text = answer([&](hnhost_text** out, hn_error* error) {
    return hnhost_score_set(host.get(), str(request), progress->hooks(), out, error);
  });
  const auto parsed = nlohmann::json::parse(text);
  const auto errors = parsed.at("errors").get<std::size_t>();
  if (command.json) {
    print_json(text);
  } else {
    print_set_table(parsed);
    std::cerr << parsed.at("scored").get<std::size_t>() << " of "
              << parsed.at("images").get<std::size_t>() << " pictures scored, "
              << parsed.at("skipped").get<std::size_t>() << " were there already, " << errors
              << " could not be scored; " << number_cell(parsed.at("images_per_second"))
              << " a second\n";
  }
  return exit_code(parsed, o.strict);
}

// RAII over hnhost_scorer*.
class ScorerHandle {
 public:
  ScorerHandle(const HostHandle& host, const std::string& config, std::int64_t batch,
               const hnhost_hooks* hooks) {
    hnhost_session_args args{};
    args.struct_size = sizeof(args);
    args.config = str(config);
    args.hooks = hooks;
    ErrorBuffer error;
    check(hnhost_scorer_open(host.get(), &args, static_cast<std::uint64_t>(batch), &raw_,
                             error.get()),
          error);
  }
  ~ScorerHandle() { hnhost_scorer_close(raw_); }
  ScorerHandle(const ScorerHandle&) = delete;
  ScorerHandle& operator=(const ScorerHandle&) = delete;
  hnhost_scorer* get() const { return raw_; }

 private:
  hnhost_scorer* raw_ = nullptr;
};

int score_stdin(const Options& o, const Command& command) {
  const HostHandle host(command);
  catch_signals();
  auto loading = std::make_unique<Progress>("", command.quiet);
  const ScorerHandle scorer(host, o.set.config(), o.set.batch, loading->hooks());
  loading.reset();
  StdinLines lines;
  for (std::string line; lines.next(line);) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    std::cout << answer([&](hnhost_text** out, hn_error* error) {
      return hnhost_scorer_answer(scorer.get(), str(line), nullptr, out, error);
    }) << std::endl;        // flushed: the other side waits for it
    if (!std::cout) break;  // main says why
  }
  return kOk;
}

int score(const Options& o, const Command& command) {
  const auto refuse = [](const char* text) {
    throw UsageError(HN_INVALID_ARGUMENT, std::string("[score] ") + text);
  };
  o.set.check("score");
  const bool tensors = !o.images_in.empty() || !o.images.empty();
  if (int{tensors} + int{!o.inputs.empty()} + int{o.from_stdin} != 1)
    refuse("expected pictures, folders or tables, --image, --images-in or --stdin: one of them");
  if (!tensors && !(o.scores_out.empty() && o.grad_out.empty()))
    refuse("--scores-out and --grad-out go with --images-in or --image");
  if (!o.out.empty() && o.inputs.empty()) refuse("--out goes with pictures, folders or tables");
  if (o.from_stdin && o.set.has_prompts()) refuse("with --stdin each request has its own prompt");
  return o.from_stdin ? score_stdin(o, command)
         : tensors    ? score_tensors(o, command)
                      : score_set(o, command);
}

}  // namespace

void add_score(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "score", "Score pictures, folders and data sets; with gradients if wanted");
  verb->footer(kFooter);
  add_common(*verb, command);
  verb->add_option("inputs", o->inputs, "PNG, JPEG and WebP files, folders, .csv, .tsv, .jsonl");
  o->set.add_to(*verb);
  verb->add_option("--out", o->out, "A row a picture: .csv, else JSON Lines; continued when there")
      ->type_name("FILE");
  verb->add_flag("--stdin", o->from_stdin, "A JSON request a line, an answer a line");
  verb->add_flag("--strict", o->strict, "End with 1 when a picture could not be scored");
  verb->add_option("--images-in", o->images_in, "safetensors with `images`")->type_name("FILE");
  verb->add_option("--image", o->images, "A picture as a tensor, all of one size; repeat")
      ->type_name("FILE");
  verb->add_option("--scores-out", o->scores_out, "Writes `score`")->type_name("FILE");
  verb->add_option("--grad-out", o->grad_out, "Writes `image_grad`")->type_name("FILE");
  verb->callback([o, &command] { command.run = [o, &command] { return score(*o, command); }; });
}

}  // namespace hn::cli
